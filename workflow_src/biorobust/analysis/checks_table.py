"""The table of checks: can the numbers be trusted? A part a model, a row a check."""

import json
from pathlib import Path

import pandas as pd

from biorobust.analysis.finding_marks import MARKS, Finding, read_findings, worst_over_seeds
from biorobust.analysis.summary import Grid, read_results
from biorobust.analysis.typesetting import Body, as_latex, as_markdown, as_text
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

_HEADER = ["verdict", "figure", "threshold", "images"]
_CSV_COLUMNS = ["model", "seed", "group", "check", "verdict", "figure", "threshold", "images"]
_CSV_COLUMNS += ["sentence", "forward_passes", "backward_passes"]


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    return files_written("tables", write_checks(job.inputs["results"].parent, job.folder))


def write_checks(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/checks.csv`, `.md`, `.tex` and `.txt`.

    `directory` is the experiment's results folder (see `read_results`). The same results give
    the same bytes. Returns the paths written. Raises UserError as `read_results` and
    `verdicts.read_findings` do.
    """
    grid = read_results(directory).grid
    paths = []
    for ending, text in render(read_findings(directory), grid).items():
        paths.append(output / f"checks.{ending}")
        write_text(paths[-1], text)
    return paths


def render(findings: list[Finding], grid: Grid) -> dict[str, str]:
    """The table as {"csv": ..., "md": ..., "tex": ..., "txt": ...}.

    The CSV is for machines: one row a model, seed and check, images as a JSON list. The others are
    for readers: for each model the most serious verdict over its seeds on each check, and below
    it the sentence of whatever warns or fails. What applies to no model is named in the caption.
    The LaTeX needs the package booktabs.
    """
    parts: list[tuple[str, list[str], Body, list[str]]] = []
    applied = {finding["check"] for finding in findings if finding["verdict"] != "skipped"}
    for model in grid["models"]:
        chosen = [
            finding
            for finding in worst_over_seeds(findings)
            if finding["model"] == model["name"] and finding["check"] in applied
        ]
        if chosen:
            body = {finding["check"]: _cells(finding) for finding in chosen}
            notes = [
                f"{finding['check']} ({finding['verdict']}, seed {finding['seed']}): "
                f"{finding['sentence']}"
                for finding in chosen
                if finding["verdict"] in MARKS
            ]
            parts.append((model["name"], [model["name"], *_HEADER], body, notes))
    caption = describe(findings, applied)
    # LaTeX moves each table where it likes; elsewhere one caption stands below them all.
    captions = [*[[]] * (len(parts) - 1), caption]
    below = [
        (header, body, notes + end)
        for (_, header, body, notes), end in zip(parts, captions, strict=False)
    ]
    return {
        "csv": _csv(findings),
        "md": "\n".join(as_markdown(*part) for part in below),
        "tex": "\n".join(
            as_latex(header, body, caption[:1] + notes, f"checks-{model}")
            for model, header, body, notes in parts
        ),
        "txt": "\n".join(as_text(*part) for part in below),
    }


def describe(findings: list[Finding], applied: set[str]) -> list[str]:
    """The sentences below the table: what it says and does not say, and what the checks took."""
    passes = {way: sum(f[f"{way}_passes"] for f in findings) for way in ("forward", "backward")}
    sentences = [
        "Checks of the evaluation itself: for each model the most serious verdict over its seeds, "
        "with the figure measured there. A figure above a threshold warns or fails; skipped means "
        "that the check does not apply. Images: how many are concerned.",
        f"The checks took {passes['forward']} forward and {passes['backward']} backward passes of "
        "an image through a model.",
    ]
    reach: dict[tuple[str, ...], dict[str, None]] = {}
    for finding in findings:
        if finding["check"] in applied and finding.get("unexamined"):
            reach.setdefault(tuple(finding["unexamined"]), {})[finding["check"]] = None
    for attacks, checks in reach.items():
        sentences.append(
            f"Whatever their verdicts, {', '.join(checks)} say nothing of {', '.join(attacks)}."
        )
    if skipped := {f["check"]: f["sentence"] for f in findings if f["check"] not in applied}:
        told = " ".join(f"{check}: {sentence}" for check, sentence in skipped.items())
        sentences.append(f"Skipped for every model. {told}")
    return sentences


def _cells(finding: Finding) -> list[list[str]]:
    figure = "" if finding["figure"] is None else f"{finding['figure']:.4g}"
    images = str(len(finding["images"]) or "")
    return [[text] for text in (finding["verdict"], figure, finding["threshold"], images)]


def _csv(findings: list[Finding]) -> str:
    table = pd.DataFrame(findings, columns=_CSV_COLUMNS)
    table["images"] = [json.dumps(images, ensure_ascii=False) for images in table["images"]]
    return str(table.to_csv(index=False, lineterminator="\n"))
