"""The time that a job may take, and when to stop so as not to be stopped."""

import os
import time
from pathlib import Path

# A scheduler may end a job up to a minute off.
_LEAST_SECONDS = 60.0
_SHARE = 0.05
# Saving and stepping take longer at times than the longest that was seen.
_TIMES_LONGEST = 4

_IMPORTED = time.monotonic()


def process_start() -> float:
    """When this process started, on the clock of time.monotonic().

    Where the system does not tell, the time at which this module was imported.
    """
    try:
        # The name in brackets may hold spaces. Fields are counted in proc(5).
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError, ValueError, IndexError):
        return _IMPORTED
    return time.monotonic() - age


class TimeLimit:
    """A limit of so many minutes from `started` (time.monotonic()); None is no limit.

    It is near when what is left is less than a margin: a minute, or 5 % of the limit where that is
    more, but no more than half of a limit that is shorter than two minutes; and at least four
    times the longest stretch of work that `note` was told of.
    """

    def __init__(self, minutes: float | None, started: float) -> None:
        self.minutes, self._started = minutes, started
        self._longest = 0.0

    def note(self, seconds: float) -> None:
        """A stretch of work that cannot be interrupted has taken so long."""
        self._longest = max(self._longest, seconds)

    @property
    def spare_seconds(self) -> float:
        """How long work may go on until the limit is near; infinite without a limit."""
        if self.minutes is None:
            return float("inf")
        limit = self.minutes * 60
        margin = min(max(_LEAST_SECONDS, _SHARE * limit), limit / 2)
        margin = max(margin, _TIMES_LONGEST * self._longest)
        return self._started + limit - margin - time.monotonic()

    @property
    def near(self) -> bool:
        """Whether it is time to stop."""
        return self.spare_seconds <= 0
