"""The table of checks: can the numbers be trusted? A part a model, a row a check."""

import json
from pathlib import Path

import pandas as pd

from biorobust.analysis.check_costs import describe_costs
from biorobust.analysis.finding_marks import (
    MARKS,
    Finding,
    judged,
    most_serious,
    read_findings,
)
from biorobust.analysis.html_table import as_html
from biorobust.analysis.summary import Grid, read_results
from biorobust.analysis.typesetting import Body, as_latex, as_markdown, as_text
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

_HEADER = ["verdict", "figure", "threshold", "images", "attack"]
_CSV_COLUMNS = ["model", "seed", "group", "check", "attack", "verdict", "figure", "threshold"]
_CSV_COLUMNS += ["images", "sentence", "forward_passes", "backward_passes"]
_CSV_COLUMNS += ["honest_forward_passes", "honest_backward_passes"]


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    return files_written("tables", write_checks(job.inputs["results"].parent, job.folder))


def write_checks(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/checks.csv`, `.html`, `.md`, `.tex` and `.txt`.

    `directory` is the experiment's results folder (see `read_results`). The same results give
    the same bytes. Returns the paths written. Raises UserError as `read_results` and
    `read_findings` do.
    """
    results, findings = read_results(directory), read_findings(directory)
    costs = describe_costs(results.rows, findings)
    paths = []
    for ending, text in render(findings, results.grid, costs).items():
        paths.append(output / f"checks.{ending}")
        write_text(paths[-1], text)
    return paths


def render(findings: list[Finding], grid: Grid, costs: str) -> dict[str, str]:
    """The table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    The CSV is for machines: one row a model, seed, check and attack that was judged, images as a
    JSON list. The others are for readers: for each model the most serious verdict over its seeds
    and attacks on each check, and below it the sentence of whatever warns or fails. What applies
    to no model is named in the caption, and so are the `costs`, a sentence. The LaTeX needs the
    package booktabs.
    """
    parts: list[tuple[str, list[str], Body, list[str]]] = []
    applied = {finding["check"] for finding in findings if finding["verdict"] != "skipped"}
    for model in grid["models"]:
        mine = [
            finding
            for finding in findings
            if finding["model"] == model["name"] and finding["check"] in applied
        ]
        if mine:
            body = {finding["check"]: _cells(finding) for finding in most_serious(mine)}
            notes = [
                f"{judged(finding)} ({finding['verdict']}, seed {finding['seed']}): "
                f"{finding['sentence']}"
                for finding in most_serious(mine, "attack")
                if finding["verdict"] in MARKS
            ]
            parts.append((model["name"], [model["name"], *_HEADER], body, notes))
    caption = describe(findings, applied, costs)
    # LaTeX moves each table where it likes; elsewhere one caption stands below them all.
    captions = [*[[]] * (len(parts) - 1), caption]
    below = [
        (header, body, notes + end)
        for (_, header, body, notes), end in zip(parts, captions, strict=False)
    ]
    return {
        "csv": _csv(findings),
        "html": "\n".join(as_html(*part) for part in below),
        "md": "\n".join(as_markdown(*part) for part in below),
        "tex": "\n".join(
            as_latex(header, body, caption[:1] + notes, f"checks-{model}")
            for model, header, body, notes in parts
        ),
        "txt": "\n".join(as_text(*part) for part in below),
    }


def describe(findings: list[Finding], applied: set[str], costs: str) -> list[str]:
    """The sentences below the table: what it says, what the checks took, and what was skipped."""
    sentences = [
        "Checks of the evaluation itself: for each model the most serious verdict over its seeds, "
        "and the attack that was judged, with the figure measured there. A figure above a "
        "threshold warns or fails; skipped means that the check does not apply. Images: how many "
        "are concerned. Without an attack the model was judged as a whole.",
        costs,
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
    cells = (finding["verdict"], figure, finding["threshold"], images, finding["attack"])
    return [[text] for text in cells]


def _csv(findings: list[Finding]) -> str:
    table = pd.DataFrame(findings, columns=_CSV_COLUMNS)
    table["images"] = [json.dumps(images, ensure_ascii=False) for images in table["images"]]
    return str(table.to_csv(index=False, lineterminator="\n"))
