"""A pseudo-terminal that remembers what was written to it."""

import os
import pty
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from termios import TIOCSWINSZ
from typing import TextIO


class Recorded:
    """A terminal's other end; `text` is all that was written to it, once it is closed."""

    def __init__(self, columns: int) -> None:
        self._ours, theirs = pty.openpty()
        ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream: TextIO = os.fdopen(theirs, "w", buffering=1, encoding="utf-8")
        self.text = ""
        # A terminal that nobody reads blocks its writer.
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        found = b""
        # Linux reports the end of a terminal as an error.
        try:
            while piece := os.read(self._ours, 65536):
                found += piece
        except OSError:
            pass
        self.text = found.decode()

    def close(self) -> None:
        """End the recording."""
        # A test may have closed it, with something left to be written.
        with suppress(OSError):
            self.stream.close()
        self._reader.join()
        os.close(self._ours)


@contextmanager
def recorded_terminal(columns: int = 100) -> Iterator[Recorded]:
    """A terminal so wide, whose text can be read after the block."""
    terminal = Recorded(columns)
    try:
        yield terminal
    finally:
        terminal.close()
