"""Processes that fail or tell something; apart from others, so that they start without torch."""

import io
import os
import signal
import sys
from pathlib import Path

from biorobust.errors import Unfinished
from biorobust.terminal import show_progress, warn


def fails(rank: int, count: int, meeting: Path, how: str) -> None:
    """Fail on rank 1 in some way, while rank 0 would wait for it for ever."""
    if rank == 0:
        signal.pause()
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "unfinished":
        raise Unfinished("to be continued")
    sys.stderr = io.StringIO()  # the traceback is not for the test's output
    raise MemoryError("too large")


def tells(rank: int, count: int, meeting: Path) -> str:
    """Show progress and a warning on the terminal, as training does on the first rank."""
    if rank == 0:
        show_progress(1, 4, "1 of 4 epochs", 10.0)
        sys.stderr = io.StringIO()  # the log's part of it
        warn("a nuisance")
    return f"rank {rank} of {count}"
