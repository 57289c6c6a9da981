"""Edits that change no number, as somebody vouched for them with `biorobust accept`.

In: `accepted.json` beside this file: a list of acceptances, each with the paths that were edited,
a reason, a date and, by digest of the code as it is since the edit, the digest that it counts as.
Out: what a digest counts as, and which acceptances were made use of.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from biorobust.errors import UserError
from biorobust.files import read_json, write_json

FILE = Path(__file__).with_name("accepted.json")

Acceptance = dict[str, Any]

_noted: ContextVar[dict[str, Acceptance] | None] = ContextVar("noted", default=None)


def acceptances() -> list[Acceptance]:
    """What was accepted, oldest first. Raises UserError where the file cannot be read as that."""
    if not FILE.exists():
        return []
    found = read_json(FILE)
    try:
        for each in found:
            each["paths"], each["reason"], each["date"], each["counts_as"].items()
    except (TypeError, KeyError, AttributeError):
        raise UserError(
            f"{FILE} is damaged: it is no list of acceptances; restore it, or delete it, and "
            "everything that it covers runs again"
        ) from None
    return list(found)


def counted_as(digest: str) -> str:
    """The code digest that this one counts as: itself, unless an acceptance covers it."""
    # The newest holds: it was made from the results that are there.
    for each in reversed(acceptances()):
        if digest in each["counts_as"]:
            earlier = str(each["counts_as"][digest])
            noted = _noted.get()
            if noted is not None:
                noted[earlier] = each
            return earlier
    return digest


@contextmanager
def noting() -> Iterator[dict[str, Acceptance]]:
    """Collects the acceptances that are made use of meanwhile, by the digest that they led to."""
    noted: dict[str, Acceptance] = {}
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def add_acceptance(paths: list[str], reason: str, date: str, counts_as: dict[str, str]) -> None:
    """Write one more acceptance; OSError where the file cannot be written."""
    added = {"paths": paths, "reason": reason, "date": date, "counts_as": counts_as}
    write_json(FILE, [*acceptances(), added])
