"""How often a job was started until it was done, remembered in a hidden file beside its record.

Whoever starts a job again (a workflow's retry, a person after a kill, a cluster that requeues)
knows nothing of the others, so the job counts for itself. The file belongs to one digest: another
plan for the same place counts from one. Its time of modification is the last sign of life.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from biorobust.errors import UserError
from biorobust.files import read_json, write_json

# What a killed start's time may be short of.
_SIGN_OF_LIFE_SECONDS = 5.0


@dataclass(frozen=True)
class Start:
    """One start of a job: `number` is 1 for the first.

    `earlier_seconds` is how long the earlier ones were at work, as far as they gave signs of life.
    """

    number: int
    earlier_seconds: float


@contextmanager
def counted_start(record: Path, digest: str) -> Iterator[Start]:
    """Count a start of the job with this digest and (first) record, and show that it is alive.

    The caller must be alone at work on the job. A count that cannot be written is done without.
    """
    path = _place(record)
    earlier = _read(path, digest)
    start = Start(1, 0.0) if earlier is None else Start(earlier.number + 1, earlier.earlier_seconds)
    begun = time.time()
    # Losing the count costs a figure in a table and nothing else, so it may not stop a job.
    with suppress(OSError, UserError):
        write_json(
            path,
            {
                "digest": digest,
                "number": start.number,
                "earlier_seconds": start.earlier_seconds,
                "begun": begun,
            },
        )
    over = Event()

    def show_life() -> None:
        while True:
            # The clock of this host, as for the beginning, and not that of a file server.
            now = time.time()
            with suppress(OSError):
                os.utime(path, (now, now))
            if over.wait(_SIGN_OF_LIFE_SECONDS):
                return

    thread = Thread(target=show_life, daemon=True)
    thread.start()
    try:
        yield start
    finally:
        over.set()
        thread.join()
        now = time.time()
        with suppress(OSError):
            os.utime(path, (now, now))


def forget_starts(record: Path) -> None:
    """Remove the count of a job that is done."""
    _place(record).unlink(missing_ok=True)


def _place(record: Path) -> Path:
    return record.with_name(f".{record.stem}.starts")


def _read(path: Path, digest: str) -> Start | None:
    """The last start of this job, its own time among the earlier ones; None for a new job."""
    try:
        found = read_json(path)
        lasted = max(0.0, path.stat().st_mtime - found["begun"])
        if found["digest"] != digest:
            return None
        return Start(found["number"], found["earlier_seconds"] + lasted)
    except (UserError, OSError, KeyError, TypeError):
        return None
