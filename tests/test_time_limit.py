"""When a job that may take only so long has to stop."""

import subprocess
import sys
import time

import pytest

from biorobust.training.time_limit import TimeLimit, process_start
from pipeline import with_package


@pytest.mark.parametrize(
    ("minutes", "margin"),
    # A minute; 5 % from 20 minutes up; half where there is not even two minutes.
    [(10, 60), (20, 60), (60, 180), (1440, 4320), (2, 60), (1, 30), (0.5, 15)],
)
def test_it_stops_a_margin_before_the_limit(minutes: float, margin: float) -> None:
    begun = time.monotonic()
    limit = TimeLimit(minutes, begun)
    assert limit.spare_seconds == pytest.approx(60 * minutes - margin, abs=1)
    assert not limit.near
    late = 60 * minutes - margin + 0.1
    assert TimeLimit(minutes, begun - late).near
    assert not TimeLimit(minutes, begun - late + 5).near


def test_long_steps_want_a_wide_margin() -> None:
    limit = TimeLimit(60, time.monotonic())
    limit.note(100)
    limit.note(3)
    assert limit.spare_seconds == pytest.approx(3600 - 400, abs=1)


def test_without_a_limit_it_never_stops() -> None:
    limit = TimeLimit(None, time.monotonic() - 1e9)
    limit.note(1e9)
    assert not limit.near


def test_time_counts_from_the_start_of_the_process_not_of_its_imports() -> None:
    program = (
        "import time; time.sleep(1); from biorobust.training.time_limit import process_start; "
        "print(process_start())"
    )
    before = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], env=with_package(), capture_output=True, text=True
    )
    # The kernel counts in hundredths of a second.
    assert before - 0.02 <= float(done.stdout) <= time.monotonic() - 1
    assert process_start() < before
