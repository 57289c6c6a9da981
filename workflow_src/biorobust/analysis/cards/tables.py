"""Small pieces of a card's page: a table, a number, settings, a list."""

from collections.abc import Mapping, Sequence
from typing import Any

from biorobust.analysis.typesetting import escape_markdown


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; text in cells is shown literally."""

    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(map(escape_markdown, cells))} |"

    return "\n".join([row(header), f"|{' --- |' * len(header)}", *map(row, rows)])


def number(value: float | None) -> str:
    """To four digits; a dash for what is not there."""
    return "–" if value is None else f"{value:.4g}"


def setting(settings: Mapping[str, Any]) -> str:
    """Settings as "name value", separated by commas."""
    told = [f"{name} {_told(value)}" for name, value in settings.items()]
    return ", ".join(told) or "none to choose"


def _told(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_told, value))}]"
    return str(value)


def listed(names: Sequence[str]) -> str:
    """The names, separated by commas; empty without any."""
    return ", ".join(names)
