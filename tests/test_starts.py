"""Starts that a job needed until it was done, however it was ended and whoever restarted it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from biorobust.errors import UserError
from biorobust.jobs import Inputs, Job, Result, orphan_mark, perform, run_report
from counted_work import MODULE, Worker, hidden, make_job
from tiny_jobs import ROOT, child_environment

# Starts the job of `make_job` in a process of its own, whose work never ends.
ENDLESS = """
import sys, time
from pathlib import Path
from biorobust.jobs import perform
from counted_work import MODULE, make_job

def work(job, inputs):
    print("at work", flush=True)
    time.sleep(60)

perform(make_job(Path(sys.argv[1]), []), work, MODULE)
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return make_job(tmp_path, [])


def report(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run_report(job.first_record).read_text())
    return found


def fail(job: Job, seconds: float = 0.0) -> None:
    def failing(job: Job, inputs: Inputs) -> Result:
        time.sleep(seconds)
        raise UserError("out of luck")

    with pytest.raises(UserError, match="out of luck"):
        perform(job, failing, MODULE)


def start_and_kill(folder: Path) -> None:
    environment = child_environment()
    environment["PYTHONPATH"] += os.pathsep + str(ROOT / "tests")
    command = [sys.executable, "-c", ENDLESS, str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGKILL)


def test_a_job_that_is_done_at_once_needed_one_start(job: Job) -> None:
    perform(job, Worker(), MODULE)
    assert (report(job)["starts"], report(job)["earlier_seconds"]) == (1, 0)


def test_failed_and_killed_starts_count_all_alike(job: Job, tmp_path: Path) -> None:
    fail(job, 0.3)
    start_and_kill(tmp_path)
    fail(job, 0.2)
    assert not job.record.exists()
    perform(job, Worker(), MODULE)
    assert report(job)["starts"] == 4
    # The two failures at least; of the killed one, its signs of life.
    assert 0.5 <= report(job)["earlier_seconds"] < 30
    assert hidden(job) == []


def test_a_killed_starts_time_is_its_last_sign_of_life(job: Job, tmp_path: Path) -> None:
    start_and_kill(tmp_path)
    (count,) = job.folder.glob(".*.starts")
    begun = json.loads(count.read_text())["begun"]
    os.utime(count, (begun + 70, begun + 70))
    perform(job, Worker(), MODULE)
    assert report(job)["earlier_seconds"] == pytest.approx(70, abs=0.01)


def test_a_job_that_is_at_work_gives_signs_of_life(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("biorobust.starts._SIGN_OF_LIFE_SECONDS", 0.01)

    class Watched(Worker):
        def __call__(self, job: Job, inputs: Inputs) -> Result:
            (count,) = job.folder.glob(".*.starts")
            first, patience = count.stat().st_mtime_ns, time.monotonic() + 30
            while count.stat().st_mtime_ns == first:
                assert time.monotonic() < patience
                time.sleep(0.01)
            return super().__call__(job, inputs)

    perform(job, Watched(), MODULE)
    assert report(job)["starts"] == 1


def test_another_plan_counts_from_one(job: Job) -> None:
    fail(job)
    other = replace(job, plan={**job.plan, "config": {"text": "another outcome"}})
    perform(other, Worker(), MODULE)
    assert report(other)["starts"] == 1
    assert hidden(other) == []


def test_a_job_that_was_done_and_is_forced_counts_from_one(job: Job) -> None:
    fail(job)
    perform(job, Worker(), MODULE)
    perform(job, Worker(), MODULE)
    assert report(job)["starts"] == 1


def test_taking_an_orphans_result_is_no_start(job: Job) -> None:
    """The orphan needed two; the start that finds its result done did no work."""
    fail(job)
    perform(job, Worker(), MODULE)
    job.record.unlink()
    orphan_mark(job.record).touch()
    work = Worker()
    perform(job, work, MODULE)
    assert work.times == 0
    assert report(job)["starts"] == 2
    assert hidden(job) == []


def test_a_count_left_by_a_kill_after_the_record_goes_with_the_orphans_result(job: Job) -> None:
    fail(job)
    (count,) = job.folder.glob(".*.starts")
    kept = count.read_bytes()
    perform(job, Worker(), MODULE)
    count.write_bytes(kept)
    orphan_mark(job.record).touch()
    perform(job, Worker(), MODULE)
    assert hidden(job) == []


def test_a_job_of_two_records_has_one_count(job: Job, tmp_path: Path) -> None:
    both = {split: tmp_path / "shards" / split / "manifest.json" for split in ("train", "test")}
    shard = replace(job, records=both)
    fail(shard)
    assert len(list((tmp_path / "shards").rglob(".*.starts"))) == 1
    perform(shard, Worker(), MODULE)
    for path in both.values():
        assert json.loads(run_report(path).read_text())["starts"] == 2
    assert not list((tmp_path / "shards").rglob(".*"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"digest": 1}'])
def test_a_damaged_count_is_done_without(job: Job, content: str) -> None:
    fail(job)
    (count,) = job.folder.glob(".*.starts")
    count.write_text(content)
    perform(job, Worker(), MODULE)
    assert report(job)["starts"] == 1


def test_a_count_that_cannot_be_written_stops_no_job(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, value: Any) -> str:
        raise UserError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr("biorobust.starts.write_json", full)
    perform(job, Worker(), MODULE)
    assert report(job)["starts"] == 1
