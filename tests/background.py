"""Snakemake runs in the background, and the processes that belong to them and to nobody else."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline import SNAKEMAKE, clean_environment


class Process(NamedTuple):
    """A living process of a run; its stage is "shard", "train", ... or "" for anything else."""

    pid: int
    stage: str


class Run:
    """A snakemake run in the background, in a session of its own that its jobs share."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.project = project
        # A file, since an orphan would hold a pipe open.
        self.output = project / "output.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [SNAKEMAKE, *arguments],
                cwd=project,
                env=clean_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_job(self, stage: str) -> int:
        """The process id of a job of this stage, as soon as there is one."""
        while self.process.poll() is None:
            for process in processes_of(self):
                if process.stage == stage:
                    return process.pid
            time.sleep(0.005)
        raise AssertionError(f"no {stage} job was seen: {self.end()}")

    def kill(self) -> None:
        """Kill snakemake alone; its jobs go on as orphans."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.end()

    def end(self) -> str:
        """Wait for the end; what was said."""
        self.process.wait(timeout=900)
        return self.output.read_text()


def processes_of(*runs: Run) -> Iterator[Process]:
    """Living processes in the sessions of these runs, orphans included, at work in their projects.

    Nothing else is told: whoever is in a session was started by a member, and where the number of
    a session that ended is given anew, its members are at work elsewhere.
    """
    projects = {run.process.pid: run.project.resolve() for run in runs}
    for entry in Path("/proc").iterdir():
        try:
            # After the name, which may hold blanks: state, parent, group, session.
            state, _, _, session = (entry / "stat").read_text().rpartition(") ")[2].split()[:4]
            if int(session) not in projects or state in "ZX":
                continue
            if (entry / "cwd").resolve(strict=True) != projects[int(session)]:
                continue
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        a_job = command[1:3] == [b"-m", b"biorobust"]
        yield Process(int(entry.name), command[3].decode() if a_job else "")


class Runs:
    """The runs of one test, in order; what lives of them when it ends is ended."""

    def __init__(self) -> None:
        self.all: list[Run] = []

    def start(self, project: Path, *arguments: str) -> Run:
        """One more run."""
        self.all.append(Run(project, *arguments))
        return self.all[-1]

    def end(self) -> None:
        """Kill whatever lives of them, frozen jobs and orphans included."""
        while living := list(processes_of(*self.all)):
            for process in living:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.01)
            for run in self.all:
                run.process.poll()


def freeze(pid: int) -> bool:
    """Stop a process where it is; False if it had ended already."""
    try:
        os.kill(pid, signal.SIGSTOP)
        for _ in range(2000):
            state = Path("/proc", str(pid), "stat").read_text().rpartition(") ")[2][0]
            if state in "TZX":
                return state == "T"
            time.sleep(0.001)
    except (ProcessLookupError, FileNotFoundError):
        pass
    return False


def freeze_at(run: Run, stage: str, pattern: str) -> int:
    """A job of this stage, stopped while a file like this stands below the results.

    The job runs in slices of processor time that are far shorter than its work, and is looked at
    while it stands still, so that what is seen holds until it is killed or let go, however fast or
    busy the machine is.
    """
    pid = run.wait_for_job(stage)
    while freeze(pid):
        if any((run.project / "results").rglob(pattern)):
            return pid
        before = processor_ticks(pid)
        os.kill(pid, signal.SIGCONT)
        while processor_ticks(pid) == before:
            time.sleep(0.001)
    raise AssertionError(f"{stage} ended without {pattern}: {run.end()}")


def processor_ticks(pid: int) -> int:
    """How long a process has computed, in ticks of 10 ms mostly; -1 where it has ended."""
    try:
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in "ZX" else int(fields[11]) + int(fields[12])


def leftovers(project: Path) -> list[Path]:
    """What only an unfinished or failed run has: hidden files, locks, markers, parts, rests."""
    results, state = project / "results", project / ".snakemake"
    return [
        *results.rglob(".*"),
        *results.rglob("*.parts"),
        *results.glob("*/partial"),
        *(state / "locks").glob("*"),
        *(path for path in (state / "incomplete").rglob("*") if path.is_file()),
    ]
