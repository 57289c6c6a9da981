"""Killed anywhere, started again with the same plain command: the same bytes, and no leftovers."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import SNAKEMAKE, clean_environment, copy_project, result_bytes, snakemake

COMMAND = ["--cores", "1"]


class Run:
    """A snakemake run in the background."""

    def __init__(self, project: Path, *targets: str) -> None:
        self.project = project
        # A file, since an orphan would hold a pipe open.
        self.output = project / "output.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [SNAKEMAKE, *targets, *COMMAND],
                cwd=project,
                env=clean_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_job(self, stage: str) -> int:
        """The process id of a job of this stage, as soon as one is at work on its lock."""
        while self.process.poll() is None:
            for pid in jobs_of(self.project, stage):
                if any((self.project / "results").rglob(".*.lock")):
                    return pid
            time.sleep(0.01)
        raise AssertionError(f"no {stage} job was seen: {self.end()}")

    def wait_for_file(self, pattern: str) -> None:
        while not any((self.project / "results").rglob(pattern)):
            assert self.process.poll() is None, self.end()
            time.sleep(0.005)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.end()

    def end(self) -> str:
        self.process.wait(timeout=120)
        return self.output.read_text()


def jobs_of(project: Path, stage: str) -> Iterator[int]:
    """Processes of a stage that work in this project."""
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            here = (entry / "cwd").resolve() == project.resolve()
        except OSError:
            continue
        if here and command[1:4] == [b"-m", b"biorobust", stage.encode()]:
            yield int(entry.name)


def leftovers(project: Path) -> list[Path]:
    return [*(project / "results").rglob(".*"), *(project / ".snakemake/locks").glob("*")]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds jobs through /proc")
def test_kills_in_every_stage_cost_nothing(finished_project: Path, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    said = []
    for stage, sign in [("shard", None), ("train", ".resume-*/last.ckpt"), ("attack", None)]:
        # The job dies, and snakemake with an error.
        run = Run(project)
        pid = run.wait_for_job(stage)
        if sign:
            run.wait_for_file(sign)
        os.kill(pid, signal.SIGKILL)
        said.append(run.end())
        assert run.process.returncode != 0
        # Snakemake dies, and the job goes on as an orphan.
        run = Run(project)
        run.wait_for_job(stage)
        run.kill()
    last = snakemake(project, *COMMAND)
    assert last.returncode == 0, last.stdout + last.stderr
    assert result_bytes(project) == result_bytes(finished_project)
    assert leftovers(project) == []
    assert "Nothing to be done" in snakemake(project, *COMMAND).stderr


def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    target = "results/tiny/models/plain/seed-0/training.json"
    run = Run(project, target)
    pid = run.wait_for_job("train")
    run.wait_for_file(".resume-*/last.ckpt")
    os.kill(pid, signal.SIGKILL)
    run.end()
    assert snakemake(project, target, *COMMAND).returncode == 0
    log = project / "results/tiny/logs/train/plain/seed-0.log"
    assert "goes on from" in log.read_text()


def test_an_orphan_is_waited_for_and_its_result_taken(
    finished_project: Path, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "project")
    target = "results/tiny/models/plain/seed-0/training.json"
    run = Run(project, target)
    orphan = run.wait_for_job("train")
    os.kill(orphan, signal.SIGSTOP)
    second = snakemake(project, *COMMAND)
    assert second.returncode != 0
    assert "another snakemake is at work in" in second.stderr
    run.kill()
    third = Run(project, target)
    log = project / "results/tiny/logs/train/plain/seed-0.log"
    deadline = time.monotonic() + 60
    while "waiting for it" not in (log.read_text() if log.is_file() else ""):
        assert third.process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(orphan, signal.SIGCONT)
    said = third.end()
    assert third.process.returncode == 0, said
    assert snakemake(project, *COMMAND).returncode == 0
    assert "took the finished result of an earlier process" in log.read_text()
    assert result_bytes(project) == result_bytes(finished_project)
    assert leftovers(project) == []
