"""A table as HTML, a piece of a page: made for reading, sorting and putting into the report."""

import re
from html import escape

from biorobust.analysis.typesetting import Body, Strong

_NUMBER = re.compile(r"^[*<]?\s*([+−-]?)(\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?|∞)\s*(\w*)")
# What the units of `quantities` stand for; any other word behind a number leaves it as it is.
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "MiB": 2.0**20, "GiB": 2.0**30}


def as_html(header: list[str], body: Body, caption: list[str]) -> str:
    """The table in a box that scrolls sideways, and a paragraph a sentence of the caption.

    Arguments as for `typesetting.as_markdown`. All names are escaped, and every character beyond
    ASCII is a reference, so that the piece reads the same in a page of any encoding. A cell that
    begins with a number carries it in full as `data-sort`, units reckoned in.
    """
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in header)
    rows = [
        f'<tr><th scope="row">{_text(name)}</th>{"".join(map(_cell, cells))}</tr>'
        for name, cells in body.items()
    ]
    lines = [
        f'<div class="scroll" role="region" tabindex="0" aria-label="Table: {_text(header[0])}">',
        '<table class="sortable">',
        f"<thead><tr>{heads}</tr></thead>",
        "<tbody>",
        *rows,
        "</tbody>",
        "</table>",
        "</div>",
        *as_paragraphs(caption),
    ]
    return "\n".join(lines) + "\n"


def as_paragraphs(sentences: list[str]) -> list[str]:
    """What stands below a table, or in place of one: a line of HTML a sentence."""
    return [f'<p class="note">{_text(sentence)}</p>' for sentence in sentences]


def sort_key(text: str) -> float | None:
    """The number with which a cell's text begins, to sort by; None where it begins with none.

    Seconds stand for a time and bytes for a size; "<0.001" counts as 0.001, "∞" as infinite.
    """
    found = _NUMBER.match(text)
    if not found:
        return None
    sign, digits, unit = found.groups()
    number = float("inf") if digits == "∞" else float(digits.replace(",", ""))
    return (-1 if sign in ("-", "−") else 1) * number * _UNITS.get(unit, 1.0)


def _cell(lines: list[str]) -> str:
    first, *others = lines
    key = sort_key(first)
    place = "" if key is None else f' data-sort="{key!r}"'
    shown = f"<strong>{_text(first)}</strong>" if isinstance(first, Strong) else _text(first)
    below = "".join(f"<small>{_text(line)}</small>" for line in others)
    return f"<td{place}>{shown}{below}</td>"


def _text(text: str) -> str:
    literal = escape(" ".join(text.split()))
    return literal.encode("ascii", "xmlcharrefreplace").decode("ascii")
