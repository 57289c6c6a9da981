"""The table of differences: which are real, and what it would take to see smaller ones."""

from collections.abc import Hashable, Iterator, Sequence
from math import isinf, isnan
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.crossed import Components
from biorobust.analysis.differences import (
    ACCURACY,
    LEVEL,
    Comparison,
    against_the_first,
    compare,
)
from biorobust.analysis.finding_marks import Finding, footnotes, marked, read_findings
from biorobust.analysis.html_table import as_html, as_paragraphs
from biorobust.analysis.power import images_needed, seeds_needed
from biorobust.analysis.summary import CLEAN, check_agreement, read_results
from biorobust.analysis.typesetting import Body, Strong, as_latex, as_markdown, as_text
from biorobust.analysis.verdicts import per_image
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

Line = dict[Hashable, Any]

_HEADER = ["difference", "95% interval", "odds", "seeds", "p"]
# In points, for the part that says what it would take.
_SIZES = (1, 2, 5, 10)


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    wanted = [Comparison(*entry) for entry in job.plan["config"]]
    paths = write_differences(job.inputs["results"].parent, job.folder, wanted)
    return files_written("tables", paths)


def write_differences(directory: Path, output: Path, wanted: list[Comparison]) -> list[Path]:
    """Write `<output>/differences.csv`, `.html`, `.md`, `.tex` and `.txt`.

    `directory` is the experiment's results folder (see `read_results`). Without comparisons
    `wanted`, every model is compared with the first. The same results give the same bytes.
    Returns the paths written. Raises UserError as `read_results` and `check_agreement` do.
    """
    results, findings = read_results(directory), read_findings(directory)
    check_agreement(results.rows)
    comparisons = _each_way_once(wanted) or against_the_first(results.grid)
    lines = compare(per_image(results.rows), results.grid, comparisons)
    paths = []
    for ending, text in render(lines, findings).items():
        paths.append(output / f"differences.{ending}")
        write_text(paths[-1], text)
    return paths


def render(lines: pd.DataFrame, findings: Sequence[Finding] = ()) -> dict[str, str]:
    """The table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    `lines` is what `compare` returns, which the CSV holds in full precision, tuples with blanks
    between the seeds. The others are for readers: a part an attack, a line a comparison, without
    those in which no image tells the models apart, each model marked on which, or on the attack on
    which, a check among `findings` warns or fails; last, how many images or seeds differences of
    several sizes need. The LaTeX needs the package booktabs.
    """
    parts: list[tuple[str, list[str], Body]] = []
    for attack in map(str, lines["attack"].unique()):
        group = lines[lines["attack"] == attack]
        shown = [line for line in group.to_dict("records") if not _empty(line)]
        body = {_name(line, findings): _cells(line) for line in shown}
        if body:
            title = f"{attack}, ε" if attack else CLEAN
            parts.append((f"differences-{attack or CLEAN}", [title, *_HEADER], body))
    if needed := _needed(lines):
        header = ["difference (points)", "images, one seed each", "seeds, these images"]
        parts.append(("differences-needed", header, needed))
    if not parts:
        nothing = "No image tells any of the compared models apart.\n"
        (html,) = as_paragraphs([nothing])
        printed = {"html": f"{html}\n", "md": nothing, "tex": f"% {nothing}", "txt": nothing}
        return {"csv": _csv(lines), **printed}
    numbers = [
        (line[side], line["attack"])
        for line in lines.to_dict("records")
        for side in ("first", "second")
        if not _empty(line)
    ]
    caption = [*describe(lines), *footnotes(findings, numbers)]
    # LaTeX moves each table where it likes; elsewhere one caption stands below them all.
    captioned = list(zip(parts, [*[[]] * (len(parts) - 1), caption], strict=True))
    return {
        "csv": _csv(lines),
        "html": "\n".join(as_html(header, body, below) for (_, header, body), below in captioned),
        "md": "\n".join(as_markdown(header, body, below) for (_, header, body), below in captioned),
        "tex": "\n".join(as_latex(header, body, caption, label) for label, header, body in parts),
        "txt": "\n".join(as_text(header, body, below) for (_, header, body), below in captioned),
    }


def describe(lines: pd.DataFrame) -> Iterator[str]:
    """The sentences below the table: what is compared, how it is tested, what was left out."""
    yield (
        "The first model's accuracy less the second's, in points (% of the images); what checks "
        "broke inside an attack's ball counts as broken by it. Marked (bold, "
        f"or *): the difference is real at {LEVEL:.0%}, with p corrected by Holm's method over the "
        f"{int(lines['p'].notna().sum())} comparisons of this table; each interval is of its "
        "comparison by itself. Odds: images that only the first keeps for each that only the "
        "second keeps, all seeds together."
    )
    if (lines["measure"] != ACCURACY).any():
        yield (
            "Retention: the share of all images that the attack does not turn from right to wrong, "
            "in place of accuracy."
        )
    if lines["seeds"].map(max).max() > 1:
        yield (
            "Interval and p cover test images and seeds: analysis of variance of images and seeds, "
            "which are crossed, with the spread of seeds taken from all models under the same "
            "condition. Seeds: in how many of the seeds that both models have the exact McNemar "
            "test tells the two trained networks apart the same way, with p corrected over all "
            "seeds of all comparisons; that says nothing of other seeds."
        )
    else:
        yield (
            "One seed a model: interval and p (McNemar's exact test) cover the choice of test "
            "images alone. They tell of these trained networks, and nothing of other seeds."
        )
    if missing := int(lines["p"].isna().sum()):
        yield f"Incomplete: for {missing} of {len(lines)} comparisons there are no results."
    if empty := sum(map(_empty, lines.to_dict("records"))):
        yield (
            f"Left out: {empty} of {len(lines)} comparisons in which no image tells the models "
            "apart."
        )
    yield from _planning(lines)


def _planning(lines: pd.DataFrame) -> Iterator[str]:
    if not _needed(lines):
        return
    yield (
        "What it takes to tell a difference with 80% probability, by a single test at 5%: test "
        "images for the exact McNemar test within one seed, where the models differ on "
        f"{100 * _discordant(lines):.1f}% of the images (the median here); seeds of each model for "
        f"the test over both, on the {int(lines['images'].max())} images at hand, where seeds and "
        "images vary as they do here (medians). None: no number of seeds is enough, since the "
        "images are too few."
    )


def _each_way_once(wanted: list[Comparison]) -> list[Comparison]:
    """Without those that are there already with the models changed round."""
    kept: dict[Comparison, None] = {}
    for comparison in wanted:
        first, second = comparison[:2]
        if comparison._replace(first=second, second=first) not in kept:
            kept[comparison] = None
    return list(kept)


def _empty(line: Line) -> bool:
    """Whether there are results, in which the models do alike on each image."""
    differing = sum(line["only_first"]) + sum(line["only_second"])
    return bool(line["mcnemar"]) and not differing and line["difference"] == 0


def _name(line: Line, findings: Sequence[Finding]) -> str:
    condition = "" if line["epsilon_text"] == CLEAN else f", {line['epsilon_text']}"
    measure = "" if line["measure"] == ACCURACY else f" ({line['measure']})"
    first, second = (
        marked(line[side], findings, [(line[side], line["attack"])]) for side in ("first", "second")
    )
    return f"{first} − {second}{condition}{measure}"


def _cells(line: Line) -> list[list[str]]:
    if isnan(line["p"]):
        return [["missing"], *[[""]] * (len(_HEADER) - 1)]
    difference = points(line["difference"])
    return [
        [Strong(difference) if line["told"] else difference],
        [interval(line)],
        [_odds(line["odds_ratio"])],
        [_agreeing(line)],
        [f"{line['p_holm']:.3f}" if line["p_holm"] >= 0.0005 else "<0.001"],
    ]


def points(share: float) -> str:
    """A difference of shares in points with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def interval(line: Line) -> str:
    """The interval of a difference in points."""
    return f"{points(line['low'])} to {points(line['high'])}"


def _odds(ratio: float) -> str:
    if isnan(ratio):
        return ""
    return "∞" if isinf(ratio) else f"{ratio:.3g}"


def _agreeing(line: Line) -> str:
    pairs = zip(line["mcnemar_holm"], line["only_first"], line["only_second"], strict=True)
    sign = 1 if line["difference"] > 0 else -1
    told = sum(p < LEVEL and sign * (first - second) > 0 for p, first, second in pairs)
    return f"{told} of {len(line['mcnemar'])}" if line["mcnemar"] else ""


def _discordant(lines: pd.DataFrame) -> float:
    """The median share of images on which two trained networks differ, where any do."""
    shares = [
        (first + second) / line["images"]
        for line in lines.to_dict("records")
        for first, second in zip(line["only_first"], line["only_second"], strict=True)
        if first + second
    ]
    return float(pd.Series(shares, dtype=float).median())


def _needed(lines: pd.DataFrame) -> Body:
    discordant = _discordant(lines)
    known = lines[lines["residual_variance"] > 0]
    spread = Components(*(float(known[f"{name}_variance"].median()) for name in Components._fields))
    body: Body = {}
    for size in _SIZES:
        difference = size / 100
        if difference > discordant or isnan(discordant):
            continue
        images = images_needed(difference, discordant)
        seeds = "unknown"
        if len(known):
            found = seeds_needed(difference, spread, int(lines["images"].max()))
            seeds = "none" if found is None else str(found)
        body[str(size)] = [["none" if images is None else f"{images:,}"], [seeds]]
    return body


def _csv(lines: pd.DataFrame) -> str:
    table = lines.copy()
    for column in ("seeds", "only_first", "only_second", "mcnemar", "mcnemar_holm"):
        table[column] = table[column].map(lambda values: " ".join(map(repr, values)))
    return str(table.to_csv(index=False, lineterminator="\n"))
