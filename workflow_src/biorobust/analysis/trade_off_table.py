"""What robustness costs: size, training time and memory beside accuracy, a row a model.

Source: thesis §3.4, which compares own and shared weights in words. Times and memory are those
of the run at hand. So this table, like that of costs, is not the same from run to run.
"""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.costs import read_costs, summarise_costs
from biorobust.analysis.finding_marks import Finding, footnotes, marked, read_findings
from biorobust.analysis.html_table import as_html
from biorobust.analysis.quantities import duration, peak_memory
from biorobust.analysis.summary import CLEAN, Grid, budgets, read_results, summarise
from biorobust.analysis.typesetting import NORM_NAMES, Body, as_latex, as_markdown, as_text
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

_COSTS = ["model", "parameters", "training_only", "trained", "timed", "seconds", "seconds_std"]
_COSTS += ["memory_bytes", "gpu_memory_bytes", "resumed"]
_ACCURACIES = ["attack", "norm", "epsilon_text", "epsilon", "images", "seeds", "mean", "std"]
_ACCURACIES += ["low", "high", "missing", "uncorrected"]


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    return files_written("tables", write_trade_off(job.inputs["results"].parent, job.folder))


def write_trade_off(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/trade_off.csv`, `.html`, `.md`, `.tex` and `.txt`.

    `directory` is the experiment's results folder (see `read_results`), with the records and run
    reports of its models. Returns the paths written. Raises UserError as `read_results`,
    `summarise` and `read_costs` do.
    """
    results = read_results(directory)
    summary = summarise(results.rows, results.grid)
    costs, findings = read_costs(directory, results.grid), read_findings(directory)
    paths = []
    for ending, text in render(summary, costs, results.grid, findings).items():
        paths.append(output / f"trade_off.{ending}")
        write_text(paths[-1], text)
    return paths


def render(
    summary: pd.DataFrame, costs: pd.DataFrame, grid: Grid, findings: Sequence[Finding] = ()
) -> dict[str, str]:
    """The table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    `summary` is what `summarise` returns for `grid`, `costs` what `read_costs` does. The CSV is
    for machines: one row per (model, attack, epsilon), the model's costs repeated in each. The
    others are for readers: a part an attack, accuracies as mean ± sample standard deviation over
    seeds with the attack's own where checks broke more, models marked on which, or on the attack
    on which, a check among `findings` warns or fails. Without an attack that has epsilons, one
    part holds the costs alone. The LaTeX needs the package booktabs.
    """
    by_model = summarise_costs(costs)
    attacks = [entry["name"] for entry in grid["attacks"] if budgets(entry)] or [""]
    numbers = [(model["name"], attack) for attack in attacks for model in grid["models"]]
    caption = [*describe(costs, grid), *footnotes(findings, numbers)]
    parts: list[tuple[str, list[str], Body]] = []
    for attack in attacks:
        lines = summary[summary["attack"] == attack] if attack else summary
        texts = list(dict.fromkeys(lines["epsilon_text"])) if attack else []
        header = [attack or "Model", "parameters", "training", "memory"]
        header += [text if text == CLEAN else f"ε = {text}" for text in texts]
        body: Body = {}
        for cost in by_model.to_dict("records"):
            cells = [_size(cost), _time(cost), peak_memory(cost)]
            if attack:
                mine = lines[lines["model"] == cost["model"]]
                cells += [_accuracy(line) for line in mine.to_dict("records")]
            model = str(cost["model"])
            body[marked(model, findings, [(model, attack)])] = cells
        parts.append((f"trade-off-{attack}" if attack else "trade-off", header, body))
    captioned = list(zip(parts, [*[[]] * (len(parts) - 1), caption], strict=True))
    return {
        "csv": _csv(by_model, summary),
        "html": "\n".join(as_html(header, body, below) for (_, header, body), below in captioned),
        "md": "\n".join(as_markdown(header, body, below) for (_, header, body), below in captioned),
        "tex": "\n".join(as_latex(header, body, caption, label) for label, header, body in parts),
        "txt": "\n".join(as_text(header, body, below) for (_, header, body), below in captioned),
    }


def describe(costs: pd.DataFrame, grid: Grid) -> list[str]:
    """The sentences below the table: what was measured and how, and what of it is unknown."""
    norms = {
        attack["name"]: NORM_NAMES[attack["norm"]] for attack in grid["attacks"] if budgets(attack)
    }
    under = "; ".join(f"{name} bounds the {norm} norm by ε" for name, norm in norms.items())
    sentences = [
        "Parameters of the network in a test; + those of auxiliary heads, which only training "
        "uses. Training: wall time, mean over the seeds. Memory: the most that the process of any "
        "seed held in main memory and, where it had one, on the GPU. Times and memory are of this "
        "run: this table and that of costs are not the same from run to run.",
    ]
    if under:
        sentences.append(
            f"Accuracies (%), mean ± sample standard deviation over the seeds: {under}."
        )
    for what, column in (("devices", "device"), ("thread counts", "threads"), ("hosts", "host")):
        found = sorted(map(str, costs[column].dropna().unique()))
        if len(found) > 1:
            sentences.append(f"Several {what} ({', '.join(found)}): compare times with care.")
    trained = costs[costs["trained"]]
    if lost := int(trained["seconds"].isna().sum()):
        sentences.append(
            f"The training time of {lost} of {len(trained)} models (model, seed) is unknown: the "
            "run report beside the record is missing, or a job that was killed after the last "
            "epoch wrote it."
        )
    if resumed := int(costs["resumed"].sum()):
        sentences.append(
            f"{resumed} of {len(trained)} trainings (model, seed) were resumed after a kill; their "
            "time is reckoned from the epochs of the last part."
        )
    return sentences


def _size(cost: dict[Any, Any]) -> list[str]:
    besides = [f"+ {cost['training_only']:,}"] if cost["training_only"] else []
    return [f"{cost['parameters']:,}", *besides]


def _time(cost: dict[Any, Any]) -> list[str]:
    if not cost["trained"]:
        return ["not here"]
    if isnan(cost["seconds"]):
        return ["unknown"]
    return [duration(cost["seconds"])]


def _accuracy(line: dict[Any, Any]) -> list[str]:
    if not line["seeds"]:
        return ["missing"]
    mean = f"{100 * line['mean']:.1f}"
    cell = [mean if isnan(line["std"]) else f"{mean} ± {100 * line['std']:.1f}"]
    if line["uncorrected"] != line["mean"]:
        cell.append(f"attack alone {100 * line['uncorrected']:.1f}")
    return cell


def _csv(by_model: pd.DataFrame, summary: pd.DataFrame) -> str:
    columns = [*_COSTS, *_ACCURACIES] if len(summary) else _COSTS
    table = by_model.merge(summary, on="model") if len(summary) else by_model
    return str(table[columns].to_csv(index=False, lineterminator="\n"))
