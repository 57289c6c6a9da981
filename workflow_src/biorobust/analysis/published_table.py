"""The table of published accuracies: a part an attack, and for each model a row a source."""

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.finding_marks import Finding, footnotes, marked, read_findings
from biorobust.analysis.html_table import as_html, as_paragraphs
from biorobust.analysis.published_comparison import NOT_JUDGED, compare
from biorobust.analysis.summary import CLEAN, read_results, summarise
from biorobust.analysis.typesetting import Body, as_latex, as_markdown, as_text
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

Line = dict[Any, Any]

_SOURCE = ["source", "published_steps", "published_relative_step"]
_SHARES = ["mean", "std", "low", "high", "next_low", "next_high"]


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    directory = job.inputs["results"].parent
    return files_written("tables", write_published(directory, job.folder, job.plan["config"]))


def write_published(directory: Path, output: Path, comparison: dict[str, Any]) -> list[Path]:
    """Write `<output>/published.csv`, `.html`, `.md`, `.tex` and `.txt`.

    `directory` is the experiment's results folder (see `read_results`), `comparison` as for
    `compare`. The same results give the same bytes. Returns the paths written. Raises UserError
    as `read_results` and `summarise` do.
    """
    results, findings = read_results(directory), read_findings(directory)
    lines = compare(summarise(results.rows, results.grid), comparison)
    paths = []
    for ending, text in render(lines, findings).items():
        paths.append(output / f"published.{ending}")
        write_text(paths[-1], text)
    return paths


def render(lines: pd.DataFrame, findings: Sequence[Finding] = ()) -> dict[str, str]:
    """The table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    `lines` is what `compare` returns, which the CSV holds in full precision. The others are for
    readers: a row for each source of a model, with the verdict under each number, a row for what
    was measured, marked where a check among `findings` warns or fails on the model or the attack on
    it, and a caption with the reasons. The LaTeX needs the package booktabs.
    """
    if lines.empty:
        nothing = "No attack of this experiment has the norm of a published one.\n"
        (html,) = as_paragraphs([nothing])
        printed = {"html": f"{html}\n", "md": nothing, "tex": f"% {nothing}", "txt": nothing}
        return {"csv": _csv(lines), **printed}
    numbers = zip(lines["model"], lines["attack"], strict=True)
    caption = [*describe(lines), *footnotes(findings, numbers)]
    parts = []
    for attack, group in lines.groupby("attack", sort=False):
        by_size = group.sort_values("epsilon", ascending=False, kind="stable")
        texts = [text for text in by_size["epsilon_text"].unique() if text != CLEAN]
        places = [CLEAN, *texts]
        header = [str(attack), CLEAN, *(f"ε = {text}" for text in texts)]
        parts.append((str(attack), header, _body(group, places, findings)))
    captions = [*[[]] * (len(parts) - 1), caption]
    captioned = list(zip(parts, captions, strict=True))
    return {
        "csv": _csv(lines),
        "html": "\n".join(as_html(head, body, below) for (_, head, body), below in captioned),
        "md": "\n".join(as_markdown(head, body, below) for (_, head, body), below in captioned),
        "tex": "\n".join(
            as_latex(head, body, caption, f"published-{name}") for name, head, body in parts
        ),
        "txt": "\n".join(as_text(head, body, below) for (_, head, body), below in captioned),
    }


def describe(lines: pd.DataFrame) -> list[str]:
    """The sentences below the table: what stands in it, what is wrong with the sources."""
    seeds = int(lines["seeds"].max())
    sentences = [
        "Accuracies (%) clean and under projected gradient descent, as published and as measured "
        "here: mean ± sample standard deviation over the seeds, below it Wilson's 95% interval of "
        "the mean count among the test images, and the 95% prediction interval of one more seed, "
        "as a published number is one. Agrees: the published number, within its rounding, lies in "
        "one of the two intervals; differs: in neither.",
        "Table 1, Table 2 and Fig. 16 (which is drawn without numbers) are the thesis's; released "
        "are the results beside the code of Vuyyuru et al. 2020. The paper trained in batches of "
        "64 images, the thesis in batches of 32: either is taken for published. The thesis does "
        "not say its step, which is taken to be ε/3.",
    ]
    if seeds < 2:
        sentences.append("One seed a model, hence no deviation and no interval of one more.")
    measured = lines[lines["seeds"] > 0]
    if (measured["uncorrected"] != measured["mean"]).any():
        sentences.append(
            "Where checks broke images inside the ball that the attack had left standing, these "
            "count and are judged; the accuracy by the attack alone, as a published one is, stands "
            "behind."
        )
    sentences += _faults(lines)
    sentences += _reasons(lines)
    return sentences


def _faults(lines: pd.DataFrame) -> Iterator[str]:
    """What is wrong with each marked number, and which lines are no measurements of their own."""
    for line in lines[lines["mark"] != ""].to_dict("records"):
        where = CLEAN if line["epsilon_text"] == CLEAN else f"{line['norm']} {line['epsilon_text']}"
        yield (
            f"{line['published']}! ({line['model']}, {line['source']}, {where}) is "
            f"{line['mark']}: {line['mark_why']}."
        )
    again = lines[lines["repeats_release"]]
    for model, source in dict.fromkeys(zip(again["model"], again["source"], strict=True)):
        yield (
            f"{model}, {source}!: wherever the released accuracies under this attack are above 0, "
            "these are the same numbers, so that the line is hardly a measurement of its own."
        )


def _reasons(lines: pd.DataFrame) -> Iterator[str]:
    unjudged = lines[lines["verdict"] == NOT_JUDGED]
    for (attack, unlike), group in unjudged.groupby(["attack", "unlike"], sort=False):
        models = ", ".join(dict.fromkeys(group["model"]))
        yield f"Not judged under {attack}, because of what is otherwise here: {models}: {unlike}."


def _body(lines: pd.DataFrame, places: list[str], findings: Sequence[Finding]) -> Body:
    body: Body = {}
    for model, group in lines.groupby("model", sort=False):
        for (source, steps, step), of_source in group.groupby(_SOURCE, sort=False):
            by_place = {line["epsilon_text"]: line for line in of_source.to_dict("records")}
            several = group.loc[group["source"] == source, _SOURCE].drop_duplicates()
            how = f", {steps} steps of ε/{1 / float(str(step)):.3g}" if len(several) > 1 else ""
            row = [_published(by_place[place]) if place in by_place else [""] for place in places]
            again = "!" if of_source["repeats_release"].any() else ""
            body[f"{model}, {source}{how}{again}"] = row
        by_place = {line["epsilon_text"]: line for line in group.to_dict("records")}
        row = [_measured(by_place[place]) if place in by_place else [""] for place in places]
        numbers = [(str(model), str(attack)) for attack in group["attack"].unique()]
        body[f"{marked(str(model), findings, numbers)}, here"] = row
    return body


def _published(line: Line) -> list[str]:
    if not line["published"]:
        return [line["verdict"]]
    return [line["published"] + ("!" if line["mark"] else ""), line["verdict"]]


def _measured(line: Line) -> list[str]:
    if not line["seeds"]:
        return [""]
    shown = {key: f"{100 * line[key]:.1f}" for key in _SHARES if not isnan(line[key])}
    cell = [f"{shown['mean']} ± {shown['std']}" if "std" in shown else shown["mean"]]
    cell.append(f"{shown['low']}–{shown['high']}")
    if "next_low" in shown:
        cell.append(f"{shown['next_low']}–{shown['next_high']}")
    if line["uncorrected"] != line["mean"]:
        cell.append(f"attack alone {100 * line['uncorrected']:.1f}")
    return cell


def _csv(lines: pd.DataFrame) -> str:
    return str(lines.to_csv(index=False, lineterminator="\n"))
