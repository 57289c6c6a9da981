"""Progress that a person can follow: lines in the log, and a bar on the terminal."""

from collections.abc import Callable
from time import monotonic

from biorobust.terminal import show_progress

# A person's eye asks for no more, and drawing takes a millisecond.
_LOOK_SECONDS = 0.25


class Progress:
    """Tells how far `total` steps of `what` are done, and the time left.

    The log gets a line at most once in `every` seconds, and less often the longer it takes, up to
    one a minute: work of a day leaves a log that can be read.
    """

    def __init__(
        self, what: str, total: int, say: Callable[[str], None], *, every: float = 5.0
    ) -> None:
        self._what, self._total, self._say, self._every = what, total, say, every
        self.begin(0)

    def begin(self, done: float) -> None:
        """Count the time from now on, `done` steps being done already."""
        self._started = self._said = self._shown = monotonic()
        self._first = done

    def update(self, done: float, note: str = "") -> None:
        """Report that `done` steps of the total are done; the last one is always told."""
        now = monotonic()
        finished = done >= self._total
        if done <= self._first or not (finished or now - self._shown >= _LOOK_SECONDS):
            return
        self._shown = now
        seconds = now - self._started
        left = seconds / (done - self._first) * (self._total - done)
        when = f" in {_span(seconds)}" if finished else f", {_span(left)} left"
        tail = f", {note}" if note else ""
        text = f"{int(done)} of {self._total} {self._what}{when}{tail}"
        show_progress(done, self._total, text, seconds)
        if finished or now - self._said >= max(self._every, min(60.0, seconds / 100)):
            self._said = now
            self._say(text)


def _span(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
