"""The table of robustness: a part a norm, a row a model, a column an attack."""

from collections.abc import Hashable, Sequence
from math import floor, isfinite, isnan, log10, nan
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.finding_marks import Finding, footnotes, marked, read_findings
from biorobust.analysis.html_table import as_html
from biorobust.analysis.robustness import OVER_ATTACKS, STATISTICS, summarise_robustness
from biorobust.analysis.summary import NORMS, Grid, budgets, read_corrections, read_results
from biorobust.analysis.typesetting import NORM_NAMES, as_latex, as_markdown, as_text
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

_LABELS = dict(zip(STATISTICS, ("median", "mean", "mean of broken", "never broken"), strict=True))
# More would not fit on a page, or on a terminal of a hundred columns.
_ATTACKS_A_PART = 3
_CSV_COLUMNS = ["norm", "model", "attack", "images", "seeds", "never_broken", "total"]
_CSV_COLUMNS += ["median", "median_std", "mean", "mean_std", "mean_broken", "mean_broken_std"]
_CSV_COLUMNS += ["never_broken_share", "never_broken_share_std", "missing"]
_CSV_COLUMNS += [f"{name}_uncorrected" for name in STATISTICS]

Line = dict[Hashable, Any]


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    return files_written("tables", write_robustness(job.inputs["results"].parent, job.folder))


def write_robustness(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/robustness.csv`, `.html`, `.md`, `.tex` and `.txt`.

    `directory` is the experiment's results folder (see `read_results`). The same results give
    the same bytes. Returns the paths written. Raises UserError as `read_results`,
    `read_corrections` and `summarise_robustness` do.
    """
    results, findings = read_results(directory), read_findings(directory)
    summary = summarise_robustness(results.rows, results.grid, read_corrections(directory))
    paths = []
    for ending, text in render(summary, results.grid, findings).items():
        paths.append(output / f"robustness.{ending}")
        write_text(paths[-1], text)
    return paths


def render(summary: pd.DataFrame, grid: Grid, findings: Sequence[Finding] = ()) -> dict[str, str]:
    """The table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    `summary` is what `summarise_robustness` returns for `grid`. The CSV is for machines: one row
    per (norm, model, attack) in full precision, `never_broken` and `total` (sum of the sizes)
    with the seeds' values separated by blanks, `inf` where an image was never broken, `missing`
    the number of planned seeds without a result, `..._uncorrected` what the attacks alone give.
    The others are for readers: for each norm tables of at most three columns, sizes to three
    digits, cells marked where a check among `findings` warns or fails on the model, the attack on
    it or any of those that the smallest is over, and a caption that says what they mean. The
    LaTeX needs the package booktabs.
    """
    attacks = [attack["name"] for attack in grid["attacks"]]
    numbers = [(model["name"], attack) for model in grid["models"] for attack in attacks]
    caption = [*describe(summary, grid), *footnotes(findings, numbers)]
    # Over a single attack, the smallest is that attack's.
    columns = [OVER_ATTACKS, *attacks] if len(attacks) > 1 else attacks
    parts = []
    for norm in NORMS:
        models = list(summary[summary["norm"] == norm].groupby("model", sort=False))
        for start in range(0, len(columns), _ATTACKS_A_PART):
            chosen = columns[start : start + _ATTACKS_A_PART]
            body = {}
            for model, group in models:
                by_attack = {line["attack"]: line for line in group.to_dict("records")}
                lines = [by_attack[name] for name in chosen]
                corrected = [n for n in STATISTICS if any(_corrected(line, n) for line in lines)]
                body[str(model)] = [
                    [*_LABELS.values(), *(f"alone: {_LABELS[name]}" for name in corrected)],
                    *(_marked(_cell(line, corrected), line, attacks, findings) for line in lines),
                ]
            label = f"robustness-{norm}" + (f"-from-{start + 1}" if start else "")
            parts.append((label, [f"{NORM_NAMES[norm]} norm", "", *chosen], body))
    # LaTeX moves each table where it likes; elsewhere one caption stands below them all.
    captions = [*[[]] * (len(parts) - 1), caption]
    captioned = list(zip(parts, captions, strict=True))
    return {
        "csv": _csv(summary),
        "html": "\n".join(as_html(header, body, below) for (_, header, body), below in captioned),
        "md": "\n".join(as_markdown(header, body, below) for (_, header, body), below in captioned),
        "tex": "\n".join(as_latex(header, body, caption, label) for label, header, body in parts),
        "txt": "\n".join(as_text(header, body, below) for (_, header, body), below in captioned),
    }


def describe(summary: pd.DataFrame, grid: Grid) -> list[str]:
    """The sentences below the table: what was measured, the statistics, what they are worth."""
    images = int(summary["images"].iloc[0])
    planned = [len(model["seeds"]) for model in grid["models"]]
    sentences = [
        "Size of the smallest perturbation found with which an image is misclassified (pixel "
        "values in [0, 1]): 0 where the clean image is, infinite where it was never broken. Every "
        "size is an upper bound, since a smaller perturbation may exist. "
        f"N = {images} test images.",
        "Median over all images. Mean over all images: the thesis's robustness R, infinite (∞), "
        "that is unknown, as soon as one image was never broken. Mean of broken: over the images "
        "misclassified or broken, which lack the most robust ones. Never broken: share of the "
        "images (%) on which no attack succeeded.",
    ]
    if len(grid["attacks"]) > 1:
        sentences.append(
            f"{OVER_ATTACKS.capitalize()}: of each image the smallest that any attack found in "
            "this norm, whatever norm the attack was made for."
        )
    if max(planned) > 1:
        sentences.append("Mean ± sample standard deviation over the seeds.")
    else:
        sentences.append("One seed a model, hence no standard deviation.")
    if any(_corrected(line, name) for line in summary.to_dict("records") for name in STATISTICS):
        sentences.append(
            "What checks broke inside an attack's ball counts as found by it; where that changes "
            "a number, that of the attack alone stands below."
        )
    sentences += _warnings(grid)
    gaps = int(summary.loc[summary["attack"] == OVER_ATTACKS, "missing"].sum()) // len(NORMS)
    if gaps:
        sentences.append(
            f"Incomplete: {gaps} of {sum(planned)} trained models (model, seed) lack jobs. A "
            "column takes only those with all jobs of its attack: a cell without any says "
            "missing, one with k of n seeds is computed from the k."
        )
    return sentences


def _warnings(grid: Grid) -> list[str]:
    """What keeps the sizes from telling much of the models, where the attacks are such."""
    given = [len(budgets(attack)) for attack in grid["attacks"]]
    if not all(given):
        return []
    warning = (
        "No attack of this experiment looks for the smallest perturbation. One with fixed ε stops "
        "at its first success, so that the sizes are coarse, and tell of its ε and steps as much "
        "as of the models"
    )
    if max(given) == 1:
        warning += "; with a single ε they say next to nothing beside the share never broken"
    return [f"{warning}."]


def _corrected(line: Line, statistic: str) -> bool:
    """Whether a statistic is another one without what checks broke."""
    honest, alone = line[statistic], line[f"{statistic}_uncorrected"]
    return bool(honest != alone and not (isnan(honest) and isnan(alone)))


def _cell(line: Line, corrected: Sequence[str]) -> list[str]:
    """A line a statistic, those that were corrected again, and the seeds where some are missing."""
    if not line["seeds"]:
        return ["missing"]
    cell = [_shown(name, line[name], line[f"{name}_std"]) for name in STATISTICS]
    cell += [_shown(name, line[f"{name}_uncorrected"], nan) for name in corrected]
    if line["missing"]:
        cell.append(f"{line['seeds']} of {line['seeds'] + line['missing']} seeds")
    return cell


def _marked(
    cell: list[str], line: Line, attacks: list[str], findings: Sequence[Finding]
) -> list[str]:
    if not line["seeds"]:
        return cell
    over = attacks if line["attack"] == OVER_ATTACKS else [line["attack"]]
    return [marked(cell[0], findings, [(line["model"], name) for name in over]), *cell[1:]]


def _shown(statistic: str, mean: float, deviation: float) -> str:
    """A size to three digits of the mean, the deviation to the same place; a share in per cent."""
    if statistic == "never_broken_share":
        share = f"{100 * mean:.1f}"
        return f"{share}%" if isnan(deviation) else f"{share} ± {100 * deviation:.1f}%"
    if isnan(mean):
        return "none"
    if not isfinite(mean):
        return "∞"
    digits = 2 - floor(log10(mean or deviation)) if mean or deviation > 0 else 0
    shown = [f"{value:.{max(0, digits)}f}" for value in (mean, deviation) if not isnan(value)]
    return " ± ".join(shown)


def _csv(summary: pd.DataFrame) -> str:
    table = summary.copy()
    for column in ("never_broken", "total"):
        table[column] = table[column].map(lambda values: " ".join(map(repr, values)))
    return str(table[_CSV_COLUMNS].to_csv(index=False, lineterminator="\n"))
