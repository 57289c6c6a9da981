"""What an attack job writes of each image, and keeps of it until it is done.

A row is a line of `eps-<e>.csv`. While a job is at work, finished rows are kept beside its record
in a hidden file, so that a job that is killed goes on from its last finished batch.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from biorobust.attacks.engine import Finished
from biorobust.attacks.norms import NORMS
from biorobust.kept import KeptLines

COLUMNS = (
    "image",
    "label",
    "clean_prediction",
    "adversarial_prediction",
    "success",
    "steps",
    "loss",
    "linf",
    "l2",
    "rms",
)
_SUCCESS = COLUMNS.index("success")


class Row(NamedTuple):
    """An image's number in the test set, its verdict (0 or 1) and its line of CSV."""

    number: int
    success: int
    line: str


def rows_of(finished: Finished, ids: list[str]) -> list[Row]:
    """A row for each finished image; `ids` are those of the whole test set, by number."""
    perturbations = (finished.iterates.double() - finished.originals.double()).cpu()
    sizes = {name: norm.size(perturbations).tolist() for name, norm in NORMS.items()}
    columns: dict[str, list[Any]] = {
        "label": finished.labels.tolist(),
        "clean_prediction": finished.clean_predictions.tolist(),
        "adversarial_prediction": finished.predictions.tolist(),
        "success": [int(value) for value in finished.broken.tolist()],
        "steps": finished.steps.tolist(),
        "loss": finished.losses.tolist(),
        **sizes,
    }
    rows = []
    for place, number in enumerate(finished.numbers.tolist()):
        values = [repr(columns[name][place]) for name in COLUMNS[1:]]
        rows.append(Row(number, columns["success"][place], _line([ids[number], *values])))
    return rows


def _line(fields: list[str]) -> str:
    return ",".join([_quoted(fields[0]), *fields[1:]])


def _quoted(text: str) -> str:
    """An image id as a CSV field; ids are file names, which may hold commas and quotes."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text


def csv_text(rows: Iterable[Row]) -> str:
    """The rows as a file, a header first, in the order of their numbers."""
    return "\n".join([",".join(COLUMNS), *(row.line for row in sorted(rows))]) + "\n"


def read_csv(path: Path) -> Iterator[Row]:
    """The rows of a file that `csv_text` made of a whole test set."""
    with path.open(newline="") as file:
        lines = csv.reader(file)
        next(lines)
        for number, fields in enumerate(lines):
            yield Row(number, int(fields[_SUCCESS]), _line(fields))


def to_json_line(rows: Iterable[Row]) -> str:
    """Rows as one line of JSON."""
    return json.dumps([list(row) for row in rows]) + "\n"


def from_json_lines(text: str) -> list[Row]:
    """The rows of lines that `to_json_line` made. Raises ValueError for anything else."""
    return [Row(*row) for line in text.splitlines() for row in json.loads(line)]


class KeptRows:
    """The finished rows of an unfinished job, in the hidden file `path`; see `KeptLines`."""

    def __init__(self, path: Path, origin: str) -> None:
        self._lines = KeptLines(path, origin)
        self._waiting: list[Row] = []

    def read(self) -> list[Row]:
        """What earlier runs of the job finished."""
        lines, _ = self._lines.read()
        return from_json_lines("".join(lines))

    def add(self, rows: list[Row], *, at_least: int) -> None:
        """Keep rows, `at_least` so many at a time. Raises UserError where the disk is full."""
        self._waiting += rows
        if len(self._waiting) >= at_least:
            self._lines.add(to_json_line(self._waiting))
            self._waiting = []
