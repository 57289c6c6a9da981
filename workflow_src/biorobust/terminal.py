"""What a person should see at once, where all else that a job says goes to its log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_terminals: list[TextIO] = []


@contextmanager
def shown_on(terminal: TextIO) -> Iterator[None]:
    """Show warnings on this stream too, while standard error goes to a log."""
    _terminals.append(terminal)
    try:
        yield
    finally:
        _terminals.remove(terminal)


def warn(line: str) -> None:
    """Tell a warning in the log and on the terminal."""
    for stream in (sys.stderr, *_terminals):
        print(f"warning: {line}", file=stream, flush=True)
