"""What an unfinished job has finished so far, kept line by line in a hidden file beside its record.

A job that is killed goes on from there when it is started again.
"""

from contextlib import suppress
from io import StringIO
from pathlib import Path

from biorobust.files import append_text, sha256_of_text, write_text


class KeptLines:
    """The lines of an unfinished job, in the file `path`.

    Each begins with a seal, made of the line and of `origin`, which stands for all that the job's
    work is made from. A line whose seal does not fit is of another origin, half written or
    damaged, and is thrown away.
    """

    def __init__(self, path: Path, origin: str) -> None:
        self._path = path
        self._origin = origin

    def read(self) -> tuple[list[str], int]:
        """What earlier starts of the job kept, and how many lines were thrown away."""
        found: list[str] = []
        with suppress(OSError):
            found = StringIO(self._path.read_text(errors="replace")).readlines()
        lines = [line for line in found if line == self._sealed(_unsealed(line))]
        # Begun anew, so that the next line does not join a half written one.
        write_text(self._path, "".join(lines))
        return [_unsealed(line) for line in lines], len(found) - len(lines)

    def add(self, line: str) -> None:
        """Keep a line, which ends with a line feed. Raises UserError where the disk is full."""
        append_text(self._path, self._sealed(line))

    def _sealed(self, line: str) -> str:
        return f"{sha256_of_text(self._origin + line)} {line}"


def _unsealed(line: str) -> str:
    return line.partition(" ")[2]
