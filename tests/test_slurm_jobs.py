"""Jobs that SLURM's executor would wait for, for ever, without a cluster."""

import asyncio
import logging

import pytest
import snakemake_executor_plugin_slurm as executor

from biorobust.config.slurm_jobs import SettledStates, hopeless_jobs, watch_slurm_jobs


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_job_that_slurm_does_not_put_back_is_failed_after_a_while() -> None:
    clock = Clock()
    settled = SettledStates(90, clock)
    listed = {"1": "PREEMPTED", "2": "NODE_FAIL", "3": "RUNNING"}
    assert settled(listed) == listed
    clock.now = 89
    assert settled(listed) == listed
    clock.now = 90
    assert settled(listed) == {"1": "FAILED", "2": "FAILED", "3": "RUNNING"}


def test_a_job_that_slurm_puts_back_is_waited_for_each_time_anew() -> None:
    clock = Clock()
    settled = SettledStates(90, clock)
    for state in ("PREEMPTED", "PENDING", "RUNNING", "PREEMPTED"):
        clock.now += 60
        assert settled({"1": state}) == {"1": state}


def test_a_job_that_is_listed_no_more_is_judged_by_its_output_after_a_while() -> None:
    clock = Clock()
    settled = SettledStates(90, clock)
    settled({"1": "RUNNING", "2": "RUNNING"})
    assert settled({"2": "RUNNING"}) == {"2": "RUNNING"}
    clock.now = 90
    # The executor takes it for a success, which Snakemake believes where the output is there.
    assert settled({"2": "RUNNING"}) == {"1": "UNKNOWN", "2": "RUNNING"}
    assert settled({"1": "RUNNING", "2": "RUNNING"}) == {"1": "RUNNING", "2": "RUNNING"}


def test_jobs_that_can_never_start() -> None:
    lines = "7|PartitionTimeLimit\n8|Resources\n9_3|QOSMaxMemoryPerJob\n10|Priority\n"
    assert hopeless_jobs(lines) == {"7": "PartitionTimeLimit", "9_3": "QOSMaxMemoryPerJob"}


def test_the_executor_asks_through_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "query_job_status", executor.query_job_status)
    watch_slurm_jobs(patience_seconds=90)
    log = logging.getLogger("test")
    states, seconds = asyncio.run(executor.query_job_status("printf '5|RUNNING\\n'", log))
    assert states == {"5": "RUNNING"}
    assert seconds >= 0
    # A query that failed says nothing about any job.
    assert asyncio.run(executor.query_job_status("false", log)) == (None, None)
