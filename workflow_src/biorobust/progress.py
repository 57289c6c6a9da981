"""Progress that a person can follow: plain lines with the time left."""

import time
from collections.abc import Callable


class Progress:
    """Says how far `total` steps are done, at most once in `every` seconds, with the time left."""

    def __init__(
        self, what: str, total: int, say: Callable[[str], None], *, every: float = 5.0
    ) -> None:
        self._what, self._total, self._say, self._every = what, total, say, every
        self.begin(0)

    def begin(self, done: int) -> None:
        """Count the time from now on, `done` steps being done already."""
        self._started = self._last = time.monotonic()
        self._first = done

    def update(self, done: int, note: str = "") -> None:
        """Report that `done` steps of the total are done; the last one is always said."""
        now = time.monotonic()
        if done < self._total and now - self._last < self._every:
            return
        self._last = now
        left = (now - self._started) / max(done - self._first, 1) * (self._total - done)
        tail = f", {note}" if note else ""
        self._say(f"{self._what}: {done} of {self._total}, {_span(left)} left{tail}")


def _span(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
