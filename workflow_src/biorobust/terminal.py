"""What a person should see at once, where all else that a job says goes to its log."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from biorobust.progress_bar import ProgressBar

# Work that takes no longer is over before a bar is of use, or its library loaded.
_PATIENCE_SECONDS = 1.0

# Jobs that share a terminal write a line so often, all of them together.
_LINE_SECONDS = 10.0


class Terminal:
    """Where a job's person looks: the job's `title`, then how far it is.

    `jobs_at_once` tells how many jobs may be writing there: one draws a bar, several write a line
    now and then. None: nobody is to be shown anything but warnings.
    """

    def __init__(self, stream: TextIO, title: str, jobs_at_once: int | None) -> None:
        self._stream, self._title = stream, title
        self._jobs_at_once = jobs_at_once if stream.isatty() else None
        self._draws = jobs_at_once == 1 and os.environ.get("TERM", "dumb") != "dumb"
        self._bar: ProgressBar | None = None
        self._next_line = 0.0

    def tell(self, line: str) -> None:
        """Write a line, above the bar if there is one."""
        with suppress(OSError):
            if self._bar:
                self._bar.tell(line)
            else:
                print(line, file=self._stream, flush=True)

    def show_progress(self, done: float, total: int, text: str, seconds: float) -> None:
        """Show that `done` of `total` steps are done, which the text tells, after so long."""
        if self._jobs_at_once is None or seconds < _PATIENCE_SECONDS:
            return
        try:
            if self._draws:
                if self._bar is None:
                    from biorobust.progress_bar import ProgressBar

                    self._bar = ProgressBar(self._stream, self._title)
                self._bar.show(done, total, text)
            elif seconds >= self._next_line and done < total:
                self._next_line = seconds + _LINE_SECONDS * self._jobs_at_once
                print(f"{self._title}: {text}", file=self._stream, flush=True)
        except OSError:
            # Who closes the window still wants the result.
            self._jobs_at_once = None

    def clear(self) -> None:
        """Remove the bar, which leaves nothing behind."""
        if self._bar:
            with suppress(OSError):
                self._bar.remove()
            self._bar = None


class Relay:
    """Stands for the terminal in another process than the one that writes there: it sends there."""

    def __init__(self, send: Callable[[str, tuple[Any, ...]], None]) -> None:
        self._send = send

    def tell(self, line: str) -> None:
        """As `Terminal.tell`."""
        self._send("tell", (line,))

    def show_progress(self, done: float, total: int, text: str, seconds: float) -> None:
        """As `Terminal.show_progress`."""
        self._send("show_progress", (done, total, text, seconds))


_terminals: list[Terminal | Relay] = []


@contextmanager
def shown_on(stream: TextIO, title: str, jobs_at_once: int | None) -> Iterator[None]:
    """Show warnings and progress on this stream too, while standard error goes to a log."""
    terminal = Terminal(stream, title, jobs_at_once)
    _terminals.append(terminal)
    try:
        yield
    finally:
        _terminals.remove(terminal)
        terminal.clear()


@contextmanager
def relayed(send: Callable[[str, tuple[Any, ...]], None]) -> Iterator[None]:
    """Hand what a person should see to `send`, for `relay` in the process that has the terminal."""
    relaying = Relay(send)
    _terminals.append(relaying)
    try:
        yield
    finally:
        _terminals.remove(relaying)


def relay(what: str, arguments: tuple[Any, ...]) -> None:
    """Show what another process handed on."""
    for terminal in _terminals:
        getattr(terminal, what)(*arguments)


def warn(line: str) -> None:
    """Tell a warning in the log and on the terminal."""
    print(f"warning: {line}", file=sys.stderr, flush=True)
    for terminal in _terminals:
        terminal.tell(f"warning: {line}")


def show_progress(done: float, total: int, text: str, seconds: float) -> None:
    """Show a person how far the work is, if there is one who looks."""
    for terminal in _terminals:
        terminal.show_progress(done, total, text, seconds)
