"""A table as Markdown, LaTeX and plain text, any name and symbol printed literally.

A table is a header, a body and a caption of several sentences. The body holds, under the name
that begins a row, the row's other cells, each a list of the lines that stand in it; the first of
them may be a `Strong` one.
"""

import unicodedata
from collections.abc import Iterable
from textwrap import wrap

NORM_NAMES = {"linf": "L∞", "l2": "L2", "rms": "root-mean-square"}

Body = dict[str, list[list[str]]]


class Strong(str):
    """The line of a cell that stands out: bold, or with a star before it where nothing is bold."""


_TEXT_WIDTH = 100
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
    "†": r"\dag{}",
    "‡": r"\ddag{}",
}


def as_markdown(header: list[str], body: Body, caption: list[str]) -> str:
    """The table in Markdown; further lines of a cell stand in brackets behind its first."""

    def row(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def joined(cell: list[str]) -> str:
        first = f"**{cell[0]}**" if isinstance(cell[0], Strong) else cell[0]
        return f"{first} ({', '.join(cell[1:])})" if cell[1:] else first

    lines = [row(map(escape_markdown, header)), row(["---", *["---:"] * (len(header) - 1)])]
    for name, cells in body.items():
        lines.append(row([escape_markdown(name), *map(joined, cells)]))
    for sentence in caption:
        lines += ["", escape_markdown(sentence)]
    return "\n".join(lines) + "\n"


def as_latex(header: list[str], body: Body, caption: list[str], label: str) -> str:
    """The table in LaTeX, to be referred to as `tab:<label>`; needs the package booktabs.

    Whatever is not a letter or digit of ASCII becomes a hyphen in the label.
    """

    def row(cells: Iterable[str]) -> str:
        return " & ".join(cells) + r" \\"

    def set_line(text: str) -> str:
        escaped = escape_latex(text)
        return rf"\textbf{{{escaped}}}" if isinstance(text, Strong) else escaped

    label = "".join(c if c.isascii() and c.isalnum() else "-" for c in label)
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
    for name, cells in body.items():
        for depth, parts in enumerate(_by_line(cells)):
            first = "" if depth else escape_latex(name)
            size = r"\footnotesize " if depth else ""
            lines.append(row([first, *(size + set_line(p) if p else "" for p in parts)]))
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def as_text(header: list[str], body: Body, caption: list[str]) -> str:
    """The table in aligned columns for a terminal, a line of a cell below the other."""
    table = [header]
    for name, cells in body.items():
        for depth, parts in enumerate(_by_line(cells)):
            starred = (f"*{part}" if isinstance(part, Strong) else part for part in parts)
            table.append(["" if depth else _one_line(name), *starred])
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
    """Turn the cells of a row into its lines, shorter cells being filled up with blanks."""
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
