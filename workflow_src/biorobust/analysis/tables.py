"""The thesis's Table 1, one an attack: a row a model, the clean accuracy, then each epsilon."""

import unicodedata
from collections.abc import Hashable, Iterable
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd

from biorobust.analysis.summary import (
    CLEAN,
    Attack,
    Grid,
    attacks_under_budget,
    read_results,
    summarise,
)
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written

NORM_NAMES = {"linf": "L∞", "l2": "L2", "rms": "root-mean-square"}

NO_BUDGET = (
    "There is no adversarial accuracy: no attack of this experiment is under a budget ε; all of "
    "them search for the smallest perturbation."
)

_TEXT_WIDTH = 100
_CSV_COLUMNS = ["model", "attack", "norm", "epsilon_text", "epsilon", "images", "seeds"]
_CSV_COLUMNS += ["correct", "mean", "std", "low", "high", "missing"]

_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    # After the end of a row, a bare bracket or star is taken for an argument of \\ or a rule.
    "[": "{[}",
    "*": "{*}",
    # Two hyphens would be set as one dash.
    "-": "{-}",
    "±": r"$\pm$",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "ε": r"$\epsilon$",
    "∞": r"$\infty$",
}


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write every attack's table beside the job's record."""
    del inputs
    return files_written("tables", write_tables(job.inputs["results"].parent, job.folder))


def write_tables(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/<attack>.csv`, `.md`, `.tex` and `.txt` for each attack under a budget.

    Where there is none, `<output>/adversarial_accuracy.*` say so. `directory` is the experiment's
    results folder (see `read_results`). The same results give the same bytes. Returns the paths
    written. Raises UserError as `read_results` and `summarise` do.
    """
    results = read_results(directory)
    summary = summarise(results.rows, results.grid)
    names = [attack["name"] for attack in attacks_under_budget(results.grid)]
    tables = {name: render(summary, results.grid, name) for name in names}
    paths = []
    for name, table in (tables or {"adversarial_accuracy": _no_table(summary)}).items():
        for ending, text in table.items():
            paths.append(output / f"{name}.{ending}")
            write_text(paths[-1], text)
    return paths


def _no_table(summary: pd.DataFrame) -> dict[str, str]:
    """What stands in place of tables where no attack has an epsilon."""
    return {
        "csv": _csv(summary),
        "md": f"{NO_BUDGET}\n",
        "tex": f"{escape_latex(NO_BUDGET)}\n",
        "txt": "\n".join(wrap(NO_BUDGET, _TEXT_WIDTH)) + "\n",
    }


def render(summary: pd.DataFrame, grid: Grid, attack: str) -> dict[str, str]:
    """One attack's table as {"csv": ..., "md": ..., "tex": ..., "txt": ...}.

    `summary` is what `summarise` returns for `grid`. The CSV is for machines: one row per
    (model, epsilon), accuracies as fractions in full precision, `correct` the counts of the
    seeds separated by blanks, `missing` the number of planned seeds without a result. The
    others are for readers: percentages with one decimal, mean ± sample standard deviation over
    seeds with Wilson's 95 % interval, and a caption that says what each of them covers.
    The LaTeX needs the package booktabs. Raises KeyError where the grid has no such attack.
    """
    chosen = {entry["name"]: entry for entry in grid["attacks"]}[attack]
    lines = summary[summary["attack"] == attack]
    epsilons = list(dict.fromkeys(lines["epsilon_text"]))
    header = ["Model", *(text if text == CLEAN else f"ε = {text}" for text in epsilons)]
    body = {
        str(model): [_cell(line) for line in group.to_dict("records")]
        for model, group in lines.groupby("model", sort=False)
    }
    caption = describe(lines, grid, chosen)
    return {
        "csv": _csv(lines),
        "md": _markdown(header, body, caption),
        "tex": _latex(header, body, caption, attack),
        "txt": _text(header, body, caption),
    }


def describe(lines: pd.DataFrame, grid: Grid, attack: Attack) -> list[str]:
    """The sentences below one attack's table: what was measured, the error bars, the gaps."""
    images = int(lines["images"].iloc[0])
    planned = [len(model["seeds"]) for model in grid["models"]]
    fewest, most = min(planned), max(planned)
    seeds = f"{most} seed{'s' if most > 1 else ''}"
    bars = (
        "One seed a model, hence no standard deviation. The range is Wilson's 95% interval of "
        f"the count among the N = {images} images"
    )
    if most > 1:
        seeds = seeds if fewest == most else f"{fewest} to {seeds}"
        bars = (
            "Mean ± sample standard deviation over the seeds. The range is Wilson's 95% interval "
            f"of the mean count among the N = {images} images, rounded outwards to whole images"
        )
    sentences = [
        f"Accuracy (%) on clean images and under the attack {attack['name']} with perturbations "
        f"of {NORM_NAMES[attack['norm']]} norm up to ε (pixel values in [0, 1]): "
        "1 − (M + A) / N, M images misclassified clean, A images broken at this or a smaller ε. "
        f"N = {images} test images, {seeds} a model.",
        f"{bars}: it covers the sampling of the test images, not that of seeds.",
    ]
    attacked = lines[lines["epsilon_text"] != CLEAN]
    gaps, jobs = int(attacked["missing"].sum()), sum(planned) * len(attack["epsilons"])
    if gaps:
        sentences.append(
            f"Incomplete: {gaps} of {jobs} jobs (model, seed, ε) of this attack are missing. "
            "A cell without any seed says missing; one with k of n seeds is computed from the k."
        )
    return sentences


def _cell(line: dict[Hashable, Any]) -> list[str]:
    """Up to three lines: accuracy, interval, and how many seeds where some are missing."""
    if not line["seeds"]:
        return ["missing"]
    mean, deviation, low, high = (f"{100 * line[k]:.1f}" for k in ("mean", "std", "low", "high"))
    cell = [mean if deviation == "nan" else f"{mean} ± {deviation}", f"{low}–{high}"]
    if line["missing"]:
        cell.append(f"{line['seeds']} of {line['seeds'] + line['missing']} seeds")
    return cell


def _csv(lines: pd.DataFrame) -> str:
    counts = lines["correct"].map(lambda correct: " ".join(map(str, correct)))
    table = lines.assign(correct=counts)[_CSV_COLUMNS]
    return table.to_csv(index=False, lineterminator="\n")


def _markdown(header: list[str], body: dict[str, list[list[str]]], caption: list[str]) -> str:
    def row(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def joined(cell: list[str]) -> str:
        return f"{cell[0]} ({', '.join(cell[1:])})" if cell[1:] else cell[0]

    lines = [row(map(escape_markdown, header)), row(["---", *["---:"] * (len(header) - 1)])]
    for model, cells in body.items():
        lines.append(row([escape_markdown(model), *map(joined, cells)]))
    for sentence in caption:
        lines += ["", escape_markdown(sentence)]
    return "\n".join(lines) + "\n"


def _latex(
    header: list[str], body: dict[str, list[list[str]]], caption: list[str], attack: str
) -> str:
    def row(cells: Iterable[str]) -> str:
        return " & ".join(cells) + r" \\"

    label = "".join(c if c.isascii() and c.isalnum() else "-" for c in attack)
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{' '.join(map(escape_latex, caption))}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        row(map(escape_latex, header)),
        r"\midrule",
    ]
    for model, cells in body.items():
        for depth, parts in enumerate(_by_line(cells)):
            name = "" if depth else escape_latex(model)
            size = r"\footnotesize " if depth else ""
            lines.append(row([name, *(size + escape_latex(p) if p else "" for p in parts)]))
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _text(header: list[str], body: dict[str, list[list[str]]], caption: list[str]) -> str:
    table = [header]
    for model, cells in body.items():
        for depth, parts in enumerate(_by_line(cells)):
            table.append(["" if depth else _one_line(model), *parts])
    widths = [max(map(display_width, column)) for column in zip(*table, strict=True)]

    def row(cells: list[str]) -> str:
        padding = [" " * (width - display_width(c)) for width, c in zip(widths, cells, strict=True)]
        first, *others = zip(cells, padding, strict=True)
        return "  ".join([first[0] + first[1], *(pad + cell for cell, pad in others)]).rstrip()

    lines = [row(table[0]), "─" * (sum(widths) + 2 * len(widths) - 2), *map(row, table[1:])]
    for sentence in caption:
        lines += ["", *wrap(sentence, _TEXT_WIDTH)]
    return "\n".join(lines) + "\n"


def _by_line(cells: list[list[str]]) -> list[list[str]]:
    """Turn the cells of a model into its lines, shorter cells being filled up with blanks."""
    depth = max(map(len, cells))
    return [[cell[i] if i < len(cell) else "" for cell in cells] for i in range(depth)]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def escape_latex(text: str) -> str:
    """`text` as LaTeX prints it literally, on one line."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def escape_markdown(text: str) -> str:
    """`text` as Markdown shows it literally, on one line and inside a table's cell."""
    special = "\\`*_[]<>|#&~$"
    return "".join(f"\\{c}" if c in special else c for c in _one_line(text))


def display_width(text: str) -> int:
    """Columns that `text` takes on a terminal: wide characters two, combining marks none."""
    return sum(
        0
        if unicodedata.combining(character) or unicodedata.category(character) == "Cf"
        else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
