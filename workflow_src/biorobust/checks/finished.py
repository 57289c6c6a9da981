"""Finished checks of an unfinished job: what it need not do again when it is started anew.

A group may take hours, and its files are written when its last check is done.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from biorobust.kept import KeptLines


@dataclass(frozen=True)
class FinishedCheck:
    """A check by name, with its findings (JSON-ready) and the CSV lines of its corrections."""

    check: str
    findings: list[dict[str, Any]]
    corrections: str


class FinishedChecks:
    """The finished checks of the job of this origin, in the hidden file `path`; see `KeptLines`."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path = path
        self._lines = KeptLines(path, origin)

    def read(self, say: Callable[[str], None]) -> dict[str, FinishedCheck]:
        """What earlier starts of the job finished, by the name of the check.

        What cannot be used is thrown away, with a line: damaged lines, and those of another job.
        """
        lines, refused = self._lines.read()
        if refused:
            say(
                f"{refused} of {len(lines) + refused} checks kept in {self._path} are damaged, or "
                "of other code, config, data or versions, and not used; they are done again"
            )
        checks = [FinishedCheck(**json.loads(line)) for line in lines]
        return {check.check: check for check in checks}

    def add(self, check: FinishedCheck) -> None:
        """Keep a check. Raises UserError where the disk is full."""
        self._lines.add(json.dumps(asdict(check)) + "\n")
