"""A bar on a person's terminal. It takes a while to import: only where one is drawn."""

import os
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column


class ProgressBar:
    """One line at the foot of a terminal: what is done, a bar, how far it is."""

    def __init__(self, stream: TextIO, title: str) -> None:
        self._stream = stream
        cut = Column(no_wrap=True, overflow="ellipsis")
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=cut),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[text]}", markup=False, table_column=cut.copy()),
            console=_Console(file=stream),
            # A thread that draws would take its time from the work.
            auto_refresh=False,
            transient=True,
            # They go to the log.
            redirect_stdout=False,
            redirect_stderr=False,
            expand=True,
        )
        self._task = self._progress.add_task(title, text="")

    def show(self, done: float, total: int, text: str) -> None:
        """Draw the bar as far as it is now."""
        # Rich would ask standard output and error, which are a log.
        columns, lines = os.get_terminal_size(self._stream.fileno())
        self._progress.console.size = (columns or 80, lines or 25)
        self._progress.update(self._task, completed=done, total=total, text=text)
        # Does nothing where it has been started.
        self._progress.start()
        self._progress.refresh()

    def tell(self, line: str) -> None:
        """Write a line above the bar."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def remove(self) -> None:
        """Take the bar away."""
        self._progress.stop()


class _Console(Console):
    def show_cursor(self, show: bool = True) -> bool:
        # A job that is killed could not bring it back.
        del show
        return False
