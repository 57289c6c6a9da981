"""Honest rows for an attack whose own turned out to be too kind to the model.

A check's module may have, beside `check`, a function `honest` with the same arguments, called where
the verdict is no pass, which returns corrections: rows of the images that really break inside the
attack's ball, whatever broke them.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields

from biorobust.checks.recorded import AttackRows

_COLUMNS = [field.name for field in fields(AttackRows)]


@dataclass(frozen=True)
class Correction:
    """What `attack` should have found at `epsilon` (its text): rows on every test image.

    An image counts as broken if the attack's own rows or those of any correction say so.
    """

    attack: str
    epsilon: str
    rows: AttackRows


HEADER = ",".join(["attack", "corrects", "epsilon_text", "image", *_COLUMNS]) + "\n"
"""The first line of a file of corrections."""


def csv_lines(ids: list[str], check: str, corrections: Iterable[Correction]) -> str:
    """A check's corrections as the lines of a file, one an image, to follow `HEADER`.

    The column `corrects` names the attack and `attack` the check's better one, as in
    "pgd+nesting". Floats are written so that reading gives the same numbers.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for correction in corrections:
        columns = [getattr(correction.rows, name) for name in _COLUMNS]
        columns[_COLUMNS.index("success")] = correction.rows.success.astype(int)
        names = (f"{correction.attack}+{check}", correction.attack, correction.epsilon)
        for image, *values in zip(ids, *(column.tolist() for column in columns), strict=True):
            writer.writerow([*names, image, *map(repr, values)])
    return text.getvalue()
