"""What the Snakefile adds to SLURM's executor: where GPUs are, and how often to ask for news."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from biorobust.config.workflow import all_options

# Marks the default partition in sinfo's list.
_DEFAULT = "*"


def chooses_partitions(arguments: Sequence[str]) -> bool:
    """Whether Snakemake, called so, was given a list of partitions for SLURM's executor.

    From it the executor chooses one for each job that names none.
    """
    given = all_options(arguments).slurm_partition_config
    # Else it is a mark of Python's dataclasses that stands for nothing.
    return isinstance(given, Path) or bool(os.environ.get("SNAKEMAKE_SLURM_PARTITIONS"))


def gpu_partition() -> str | None:
    """A partition of this cluster that has GPUs, the default one first; None where none is seen."""
    command = ["sinfo", "--noheader", "--format=%P|%G|%a"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return choose_partition(done.stdout)


def choose_partition(listed: str) -> str | None:
    """The partition to use, from lines of "name|generic resources|up or down" as sinfo writes."""
    found = []
    for line in listed.splitlines():
        name, resources, available = line.strip().split("|")
        if available == "up" and any(part.startswith("gpu") for part in resources.split(",")):
            found.append(name)
    found.sort(key=lambda name: not name.endswith(_DEFAULT))
    return found[0].removesuffix(_DEFAULT) if found else None


def cap_polling(seconds: float) -> None:
    """Let no executor wait longer than so many seconds between two looks at its jobs.

    SLURM's waits ten seconds longer after each look that found no job finished, up to three
    minutes, by which a finished job then idles; no setting changes that.
    """
    inherited = RemoteExecutor.next_seconds_between_status_checks

    def capped(self: Any) -> float:
        return min(float(inherited.fget(self)), seconds)

    RemoteExecutor.next_seconds_between_status_checks = property(capped, inherited.fset)
