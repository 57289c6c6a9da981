"""The thesis's Table 1, one an attack: a row a model, the clean accuracy, then each epsilon."""

from collections.abc import Hashable, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.finding_marks import Finding, footnotes, marked, read_findings
from biorobust.analysis.html_table import as_html
from biorobust.analysis.leaders import leaders
from biorobust.analysis.summary import CLEAN, Attack, Grid, budgets, read_results, summarise
from biorobust.analysis.typesetting import NORM_NAMES, Strong, as_latex, as_markdown, as_text
from biorobust.analysis.verdicts import per_image
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

_CSV_COLUMNS = ["model", "attack", "norm", "epsilon_text", "epsilon", "images", "seeds"]
_CSV_COLUMNS += ["correct", "mean", "std", "low", "high", "both_low", "both_high", "leads"]
_CSV_COLUMNS += ["missing", "uncorrected"]


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write every attack's table beside the job's record."""
    del inputs
    return files_written("tables", write_tables(job.inputs["results"].parent, job.folder))


def write_tables(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/<attack>.csv`, `.html`, `.md`, `.tex`, `.txt` for each attack with epsilons.

    An attack that looks for the smallest perturbation itself has none, hence no such table.
    `directory` is the experiment's results folder (see `read_results`). The same results give
    the same bytes. Returns the paths written. Raises UserError as `read_results` and
    `summarise` do.
    """
    results, findings = read_results(directory), read_findings(directory)
    summary = summarise(results.rows, results.grid)
    verdicts = per_image(results.rows)
    paths = []
    for attack in filter(budgets, results.grid["attacks"]):
        best = leaders(verdicts, results.grid, attack["name"])
        for ending, text in render(summary, results.grid, attack["name"], best, findings).items():
            paths.append(output / f"{attack['name']}.{ending}")
            write_text(paths[-1], text)
    return paths


def render(
    summary: pd.DataFrame,
    grid: Grid,
    attack: str,
    best: dict[str, set[str]],
    findings: Sequence[Finding] = (),
) -> dict[str, str]:
    """One attack's table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    `summary` is what `summarise` returns for `grid`, `best` what `leaders` does. The CSV is for
    machines: one row per (model, epsilon), accuracies as fractions in full precision, `correct`
    the counts of the seeds separated by blanks, `missing` the number of planned seeds without a
    result, `leads` whether the model is among the best, `uncorrected` the mean by the attack
    alone, where checks broke more. The others are for readers: percentages with one decimal,
    mean ± sample standard deviation over seeds with the 95 % interval over images and seeds, or,
    where no model has two seeds, Wilson's over images; the best marked; and a caption that says
    what each of them covers. `findings` are those of the checks; a model is marked on which, or on
    this attack on which, one warns or fails.
    The LaTeX needs the package booktabs. Raises KeyError where the grid has no such attack.
    """
    chosen = {entry["name"]: entry for entry in grid["attacks"]}[attack]
    lines = summary[summary["attack"] == attack]
    places = zip(lines["model"], lines["epsilon_text"], strict=True)
    lines = lines.assign(leads=[model in best[text] for model, text in places])
    epsilons = list(dict.fromkeys(lines["epsilon_text"]))
    header = ["Model", *(text if text == CLEAN else f"ε = {text}" for text in epsilons)]
    body = {
        marked(str(model), findings, [(str(model), attack)]): [
            _cell(line) for line in group.to_dict("records")
        ]
        for model, group in lines.groupby("model", sort=False)
    }
    numbers = [(model["name"], attack) for model in grid["models"]]
    caption = [*describe(lines, grid, chosen), *footnotes(findings, numbers)]
    return {
        "csv": _csv(lines),
        "html": as_html(header, body, caption),
        "md": as_markdown(header, body, caption),
        "tex": as_latex(header, body, caption, attack),
        "txt": as_text(header, body, caption),
    }


def describe(lines: pd.DataFrame, grid: Grid, attack: Attack) -> list[str]:
    """The sentences below one attack's table: what was measured, the error bars, the gaps."""
    images = int(lines["images"].iloc[0])
    planned = [len(model["seeds"]) for model in grid["models"]]
    fewest, most = min(planned), max(planned)
    seeds = f"{most} seed{'s' if most > 1 else ''}"
    bars = (
        "One seed a model, hence no standard deviation. The range is Wilson's 95% interval of "
        f"the count among the N = {images} images: it covers the sampling of the test images, not "
        "that of seeds."
    )
    if most > 1:
        seeds = seeds if fewest == most else f"{fewest} to {seeds}"
        bars = (
            "Mean ± sample standard deviation over the seeds. The range is the 95% interval over "
            "test images and seeds, with the spread of seeds taken from all models of the column. "
            "Few seeds tell little of others; it takes for granted that models of like accuracy "
            "vary alike."
        )
        if lines["both_low"].isna().any():
            bars += " Where no model has two seeds it is Wilson's interval over the images alone."
    sentences = [
        f"Accuracy (%) on clean images and under the attack {attack['name']} with perturbations "
        f"of {NORM_NAMES[attack['norm']]} norm up to ε (pixel values in [0, 1]): "
        "1 − (M + A) / N, M images misclassified clean, A images broken at this or a smaller ε. "
        f"N = {images} test images, {seeds} a model.",
        bars,
    ]
    if lines["leads"].any():
        sentences.append(
            "Marked (bold, or *): the best of a column and whatever is not told from it at 5%, by "
            "paired tests on the same images, corrected by Holm's method over the column. In a "
            "column without marks the best is told from no other."
        )
    attacked = lines[lines["epsilon_text"] != CLEAN]
    gaps, jobs = int(attacked["missing"].sum()), sum(planned) * len(attack["epsilons"])
    if not lines["mean"].equals(lines["uncorrected"]):
        sentences.append(
            "Where checks broke images inside the ball that the attack had left standing, these "
            "count, and the accuracy by the attack alone stands behind."
        )
    if gaps:
        sentences.append(
            f"Incomplete: {gaps} of {jobs} jobs (model, seed, ε) of this attack are missing. "
            "A cell without any seed says missing; one with k of n seeds is computed from the k."
        )
    return sentences


def _cell(line: dict[Hashable, Any]) -> list[str]:
    """Accuracy, interval, the attack's own accuracy if it is another, seeds if some are missing."""
    if not line["seeds"]:
        return ["missing"]
    ends = ("low", "high") if isnan(line["both_low"]) else ("both_low", "both_high")
    mean, deviation, low, high = (f"{100 * line[key]:.1f}" for key in ("mean", "std", *ends))
    accuracy = mean if deviation == "nan" else f"{mean} ± {deviation}"
    cell = [Strong(accuracy) if line["leads"] else accuracy, f"{low}–{high}"]
    if line["uncorrected"] != line["mean"]:
        cell.append(f"attack alone {100 * line['uncorrected']:.1f}")
    if line["missing"]:
        cell.append(f"{line['seeds']} of {line['seeds'] + line['missing']} seeds")
    return cell


def _csv(lines: pd.DataFrame) -> str:
    counts = lines["correct"].map(lambda correct: " ".join(map(str, correct)))
    table = lines.assign(correct=counts)[_CSV_COLUMNS]
    return table.to_csv(index=False, lineterminator="\n")
