"""Killed anywhere, started again with the same plain command: the same bytes, and no leftovers."""

import os
import signal
import time
from pathlib import Path

import pytest

from background import Runs, freeze_at, leftovers
from pipeline import copy_project, result_bytes, snakemake

COMMAND = ["--cores", "1"]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").is_file(), reason="finds jobs through /proc"
)


def test_kills_in_every_stage_cost_nothing(
    finished_project: Path, tmp_path: Path, runs: Runs
) -> None:
    project = copy_project(tmp_path / "project")
    at_work = {
        "shard": ".manifest.lock",
        "train": "last.ckpt",
        "attack": ".eps-*.kept",
        "check": "checks/.*.kept",
    }
    for stage, sign in at_work.items():
        # The job dies, and snakemake with an error.
        run = runs.start(project, *COMMAND)
        os.kill(freeze_at(run, stage, sign), signal.SIGKILL)
        run.end()
        assert run.process.returncode != 0
        # Snakemake dies, and the job goes on as an orphan.
        run = runs.start(project, *COMMAND)
        run.wait_for_job(stage)
        run.kill()
    last = snakemake(project, *COMMAND)
    assert last.returncode == 0, last.stdout + last.stderr
    assert result_bytes(project) == result_bytes(finished_project)
    assert leftovers(project) == []
    assert "Nothing to be done" in snakemake(project, *COMMAND).stderr


def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path: Path, runs: Runs) -> None:
    project = copy_project(tmp_path / "project")
    target = "results/tiny/models/plain/seed-0/training.json"
    run = runs.start(project, target, *COMMAND)
    os.kill(freeze_at(run, "train", "last.ckpt"), signal.SIGKILL)
    run.end()
    assert snakemake(project, target, *COMMAND).returncode == 0
    log = project / "results/tiny/logs/train/plain/seed-0.log"
    assert "goes on from" in log.read_text()


def test_an_orphan_is_waited_for_and_its_result_taken(
    finished_project: Path, tmp_path: Path, runs: Runs
) -> None:
    project = copy_project(tmp_path / "project")
    target = "results/tiny/models/plain/seed-0/training.json"
    run = runs.start(project, target, *COMMAND)
    # The lock's own file is there a moment before it is held; its starts are counted under it.
    orphan = freeze_at(run, "train", ".training.starts")
    second = snakemake(project, *COMMAND)
    assert second.returncode != 0
    assert "another snakemake is at work in" in second.stderr
    run.kill()
    third = runs.start(project, target, *COMMAND)
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
