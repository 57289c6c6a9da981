"""The table of claims: a row a claim, its verdict, and the numbers that decide it."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.claims import HIGHER, NOT_LOWER, judge, weigh
from biorobust.analysis.differences import LEVEL
from biorobust.analysis.differences_table import interval, points
from biorobust.analysis.finding_marks import Finding, footnotes, marked, read_findings
from biorobust.analysis.html_table import as_html
from biorobust.analysis.summary import CLEAN, check_agreement, read_results
from biorobust.analysis.typesetting import as_latex, as_markdown, as_text
from biorobust.analysis.verdicts import per_image
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

Line = dict[Hashable, Any]
Claims = list[dict[str, Any]]

_HEADER = ["Claim", "verdict", "as claimed", "otherwise", "least", "greatest"]


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    directory = job.inputs["results"].parent
    return files_written("tables", write_claims(directory, job.folder, job.plan["config"]))


def write_claims(directory: Path, output: Path, claims: Claims) -> list[Path]:
    """Write `<output>/claims.csv`, `.html`, `.md`, `.tex` and `.txt`.

    `directory` is the experiment's results folder (see `read_results`); `claims` as for `weigh`,
    each with its text and source, at least one. The same results give the same bytes. Returns the
    paths written. Raises UserError as `read_results` and `check_agreement` do.
    """
    results, findings = read_results(directory), read_findings(directory)
    check_agreement(results.rows)
    lines = weigh(per_image(results.rows), results.grid, claims)
    paths = []
    for ending, text in render(lines, claims, findings).items():
        paths.append(output / f"claims.{ending}")
        write_text(paths[-1], text)
    return paths


def render(lines: pd.DataFrame, claims: Claims, findings: Sequence[Finding] = ()) -> dict[str, str]:
    """The table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    `lines` is what `weigh` returns for `claims`. The CSV has a row a comparison, in full
    precision, with the claim's verdict. The others are for readers: a row a claim, with its
    smallest and its largest difference, and below the table what each claim says. A verdict and a
    difference are marked where a check among `findings` warns or fails on a model, or an attack on
    it, that they came from. The LaTeX needs the package booktabs.
    """
    verdicts = judge(lines)
    body = {
        str(claim): _cells(verdicts[str(claim)], group, findings)
        for claim, group in lines.groupby("claim", sort=False)
    }
    caption = [*describe(lines, claims), *footnotes(findings, _numbers(lines.to_dict("records")))]
    table = lines.assign(
        seeds=lines["seeds"].map(lambda seeds: " ".join(map(str, seeds))),
        verdict=lines["claim"].map(verdicts),
    )
    return {
        "csv": str(table.to_csv(index=False, lineterminator="\n")),
        "html": as_html(_HEADER, body, caption),
        "md": as_markdown(_HEADER, body, caption),
        "tex": as_latex(_HEADER, body, caption, "claims"),
        "txt": as_text(_HEADER, body, caption),
    }


def describe(lines: pd.DataFrame, claims: Claims) -> Iterator[str]:
    """The sentences below the table: how it is judged, and what each claim says."""
    several = lines["seeds"].map(max).max() > 1
    covers = "over test images and seeds" if several else "over test images; one seed a model"
    yield (
        "Supported: every comparison of the claim comes out as claimed; contradicted: at least one "
        "comes out the other way; undecided: neither, on the data at hand. A comparison comes out "
        f"if it is told at {LEVEL:.0%} (paired test {covers}, corrected by Holm's method over "
        f"{int(lines['p'].notna().sum())} comparisons). Least, greatest: differences in points, "
        "with the 95% interval and the condition; what checks broke inside an attack's ball counts "
        "as broken by it. Every comparison stands in claims.csv, and in the table of differences."
    )
    for claim in claims:
        source = f" ({claim['source']})" if claim["source"] else ""
        meant = ""
        if claim["direction"] != HIGHER:
            unit = "point" if claim["margin"] == 1 else "points"
            side = "lower by at most" if claim["direction"] == NOT_LOWER else "no further off than"
            meant = f" Taken to mean: {side} {claim['margin']:g} {unit}."
        text = claim["text"].rstrip(".")
        yield f"{claim['name']}: {text}{source}.{meant}"


def _numbers(lines: Iterable[Line]) -> list[tuple[str, str]]:
    """The models and attacks that the numbers of comparisons came from."""
    return [(line[side], line["attack"]) for line in lines for side in ("first", "second")]


def _cells(verdict: str, lines: pd.DataFrame, findings: Sequence[Finding]) -> list[list[str]]:
    known = lines[lines["images"] > 0]
    count = [f"{int((lines['told'] > 0).sum())} of {len(lines)}"]
    verdict = marked(verdict, findings, _numbers(lines.to_dict("records")))
    cells = [[verdict], count, [str(int((lines["told"] < 0).sum()))]]
    if known.empty:
        return [*cells, ["missing"], [""]]
    ordered = known.sort_values("difference", kind="stable").to_dict("records")
    least = _number(ordered[0], findings)
    return [*cells, least, _number(ordered[-1], findings) if len(ordered) > 1 else [""]]


def _number(line: Line, findings: Sequence[Finding]) -> list[str]:
    clean = line["epsilon_text"] == CLEAN
    return [
        marked(points(line["difference"]), findings, _numbers([line])),
        interval(line),
        CLEAN if clean else f"{line['attack']} {line['epsilon_text']}",
    ]
