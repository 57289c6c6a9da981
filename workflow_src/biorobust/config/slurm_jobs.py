"""What SLURM's executor would wait for, for ever: jobs that ended unseen, and jobs that cannot run.

The executor leaves a preempted job and one of a lost node to SLURM, which is right where SLURM puts
them back into the queue, and waits for a job that squeue no longer lists. A cluster that cancels
what it preempts, or forgets its jobs, would never let a run end.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import snakemake_executor_plugin_slurm as executor

# States that last a moment where SLURM puts the job back into the queue, and else stay.
_LEFT_TO_SLURM = ("PREEMPTED", "NODE_FAIL")

# Why a waiting job will wait until somebody changes it: SLURM's own words for the reasons.
_NEVER = (
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
    "AssocMaxWallDurationPerJobLimit",
    "QOSMaxWallDurationPerJobLimit",
    "AssocMaxMemPerJob",
    "QOSMaxMemoryPerJob",
)


class SettledStates:
    """Turns the states that squeue lists into those that the executor ends a job for.

    `patience` is in seconds of `clock`.
    """

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._seen: set[str] = set()
        self._odd_since: dict[str, float] = {}

    def __call__(self, listed: Mapping[str, str]) -> dict[str, str]:
        """The states by job number, from those that were listed.

        A job that SLURM does not put back becomes "FAILED", which is retried. One that is listed no
        more becomes "UNKNOWN": whether its output is there then tells how it ended.
        """
        told = dict(listed)
        self._seen |= listed.keys()
        for job in self._seen:
            state = listed.get(job)
            if state is not None and state not in _LEFT_TO_SLURM:
                self._odd_since.pop(job, None)
                continue
            since = self._odd_since.setdefault(job, self._clock())
            if self._clock() - since >= self._patience:
                told[job] = "UNKNOWN" if state is None else "FAILED"
        return told


def hopeless_jobs(listed: str) -> dict[str, str]:
    """Why a job waits for ever, by job number, from lines of "number|reason" as squeue writes."""
    lines = (line.strip().split("|") for line in listed.splitlines() if "|" in line)
    return {number: reason for number, reason in lines if reason in _NEVER}


def watch_slurm_jobs(patience_seconds: float) -> None:
    """Let SLURM's executor end what ended unseen, and say once of each job that it cannot run.

    In `patience_seconds` SLURM should have put back into the queue what it is going to put back,
    and squeue be right again after a restart of the controller.
    """
    inherited = executor.query_job_status
    settled, warned = SettledStates(patience_seconds), set[str]()

    async def query(command: str, logger: Any) -> tuple[dict[str, str] | None, float | None]:
        states, seconds = await inherited(command, logger)
        if states is None:
            return states, seconds
        waiting = [number for number, state in states.items() if state == "PENDING"]
        for number, reason in _hopeless(set(waiting) - warned).items():
            warned.add(number)
            print(
                f"Warning: SLURM's job {number} waits for ever ({reason}): it asks for more than "
                "its partition or account allows; see the first lines of slurm/config.yaml",
                file=sys.stderr,
            )
        return settled(states), seconds

    executor.query_job_status = query


def _hopeless(waiting: set[str]) -> dict[str, str]:
    if not waiting:
        return {}
    command = ["squeue", "--noheader", "--format=%i|%r", f"--jobs={','.join(sorted(waiting))}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return hopeless_jobs(done.stdout)
