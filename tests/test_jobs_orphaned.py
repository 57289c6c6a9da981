"""A job is alone while it works, and takes what an orphaned process of its kind has finished."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from biorobust.errors import UserError
from biorobust.files import whole_file, write_json
from biorobust.jobs import Inputs, Job, Result, orphan_mark, perform, run_report
from counted_work import MODULE, Worker, hidden, make_job
from tiny_jobs import child_environment, flip_byte


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def job(tmp_path: Path, said: list[str]) -> Job:
    return make_job(tmp_path, said)


def other_text(job: Job) -> Job:
    return replace(job, plan={**job.plan, "config": {"text": "another outcome"}})


class Meeting:
    """Work that begins, waits to be let go, and then does or fails."""

    def __init__(self, *, fail: bool) -> None:
        self.begun, self.go, self._fail = threading.Event(), threading.Event(), fail

    def __call__(self, job: Job, inputs: Inputs) -> Result:
        self.begun.set()
        assert self.go.wait(30)
        if self._fail:
            raise UserError("out of luck")
        return Worker()(job, inputs)


def second_start(first: Job, second: Job, said: list[str], *, fail: bool) -> tuple[int, list[str]]:
    """Start the second while the first is at work; how often it worked, and what it said."""
    meeting, work = Meeting(fail=fail), Worker()

    def start_first() -> None:
        try:
            perform(first, meeting, MODULE)
        except UserError:
            assert fail

    threads = [
        threading.Thread(target=start_first),
        threading.Thread(target=perform, args=(second, work, MODULE)),
    ]
    threads[0].start()
    assert meeting.begun.wait(30)
    threads[1].start()
    patience = time.monotonic() + 30
    while not said and time.monotonic() < patience:
        time.sleep(0.005)
    assert work.times == 0
    meeting.go.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return work.times, said


def test_a_second_start_waits_and_takes_the_result(job: Job, said: list[str]) -> None:
    times, lines = second_start(job, job, said, fail=False)
    assert times == 0
    assert lines == [
        f"another process is still at work on {job.record}; waiting for it",
        "took the finished result of an earlier process",
    ]
    assert json.loads(job.record.read_text())["digest"] == job.digest
    assert hidden(job) == []


def test_a_second_start_works_where_the_first_failed(job: Job, said: list[str]) -> None:
    assert second_start(job, job, said, fail=True)[0] == 1
    assert json.loads(job.record.read_text())["digest"] == job.digest


def test_a_second_start_of_another_plan_does_its_own_work(job: Job, said: list[str]) -> None:
    other = other_text(job)
    assert second_start(job, other, said, fail=False)[0] == 1
    assert json.loads(job.record.read_text())["digest"] == other.digest
    assert (job.folder / "training.txt").read_text() == "another outcome"


def test_the_lock_of_a_killed_process_holds_nobody_up(job: Job, said: list[str]) -> None:
    job.folder.mkdir()
    lock = job.folder / ".training.lock"
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import filelock, sys, time\n"
            "filelock.FileLock(sys.argv[1]).acquire()\n"
            "print('held', flush=True)\n"
            "time.sleep(60)",
            str(lock),
        ],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    assert lock.exists()
    work = Worker()
    perform(job, work, MODULE)
    assert work.times == 1
    assert said == []
    assert hidden(job) == []


@pytest.fixture
def orphaned(job: Job) -> Job:
    """A job whose process finished after its workflow was killed and its record cleared away."""
    perform(job, Worker(), MODULE)
    job.record.unlink()
    orphan_mark(job.record).touch()
    return job


def test_an_orphans_whole_result_is_taken(orphaned: Job, said: list[str]) -> None:
    work = Worker()
    kept = (orphaned.folder / "training.txt").stat().st_mtime_ns
    perform(orphaned, work, MODULE)
    assert work.times == 0
    assert said == ["took the finished result of an earlier process"]
    assert (orphaned.folder / "training.txt").stat().st_mtime_ns == kept
    taken = orphaned.record.read_bytes()
    assert hidden(orphaned) == []
    perform(orphaned, work, MODULE)
    assert orphaned.record.read_bytes() == taken


def test_without_the_mark_a_job_is_done_again(orphaned: Job) -> None:
    orphan_mark(orphaned.record).unlink()
    work = Worker()
    perform(orphaned, work, MODULE)
    assert work.times == 1


def spoil_flipped(job: Job) -> None:
    flip_byte(job.folder / "training.txt")


def spoil_deleted(job: Job) -> None:
    (job.folder / "training.txt").unlink()


def spoil_no_report(job: Job) -> None:
    run_report(job.record).unlink()


def spoil_cut_report(job: Job) -> None:
    os.truncate(run_report(job.record), 20)


def spoil_input(job: Job) -> None:
    """The same plan, other bytes: the input was made anew by other package versions."""
    source: dict[str, Any] = json.loads(job.inputs["shards"].read_text())
    write_json(job.inputs["shards"], {**source, "images": 5})


@pytest.mark.parametrize(
    "spoil", [spoil_flipped, spoil_deleted, spoil_no_report, spoil_cut_report, spoil_input]
)
def test_an_orphans_spoilt_result_is_made_anew(orphaned: Job, spoil: Callable[[Job], None]) -> None:
    spoil(orphaned)
    work = Worker()
    perform(orphaned, work, MODULE)
    assert work.times == 1
    assert (orphaned.folder / "training.txt").read_text() == "outcome"
    assert hidden(orphaned) == []


def test_an_orphans_result_of_another_plan_is_made_anew(orphaned: Job) -> None:
    work, other = Worker(), other_text(orphaned)
    perform(other, work, MODULE)
    assert work.times == 1
    assert json.loads(other.record.read_text())["digest"] == other.digest
    assert hidden(other) == []


def test_what_a_killed_process_left_half_written_is_cleared_away(job: Job) -> None:
    parts = [".weights.safetensors.77.part", ".training.json.77.part", ".training.run.json.7.part"]
    job.folder.mkdir()
    for name in parts:
        (job.folder / name).touch()
    perform(job, Worker(), MODULE)
    assert hidden(job) == []


def test_what_a_neighbour_is_writing_is_left_alone(job: Job) -> None:
    """The attack jobs of one model share a folder."""
    record = job.folder / "attacks" / "eps-1.json"
    attack = replace(job, plan={**job.plan, "stage": "attack"}, records={"attack": record})
    theirs = [".eps-1.5.csv.77.part", ".eps-0.1.json.8.part", ".eps-1.5.run.json.9.part"]
    record.parent.mkdir(parents=True)
    for name in [*theirs, ".eps-1.csv.5.part", ".eps-1.json.5.part", ".eps-1.run.json.6.part"]:
        (record.parent / name).touch()
    perform(attack, Worker(), MODULE)
    assert sorted(hidden(attack)) == sorted(theirs)


def test_what_is_left_of_a_hidden_file_is_cleared_away_too(job: Job) -> None:
    """A job may be killed while it begins the file of rows that it keeps until it is done."""
    record = job.folder / "attacks" / "eps-1.json"
    attack = replace(job, plan={**job.plan, "stage": "attack"}, records={"attack": record})
    with pytest.raises(KeyboardInterrupt), whole_file(record.with_name(".eps-1.kept")) as file:
        file.write(b"half of it")
        (left,) = record.parent.iterdir()
        raise KeyboardInterrupt
    left.touch()
    perform(attack, Worker(), MODULE)
    assert hidden(attack) == []


def test_a_table_clears_its_own_files_and_no_other_tables(job: Job) -> None:
    """The tables of an experiment share a folder, and may be made at the same time."""
    record = job.folder / "tables" / "adversarial_accuracy.json"
    plan = {**job.plan, "stage": "tables", "files": ["pgd", "pgd-2"]}
    table = replace(job, plan=plan, records={"tables": record})
    theirs = [".robustness.csv.77.part", ".robustness.json.8.part"]
    record.parent.mkdir(parents=True)
    for name in [*theirs, ".pgd.csv.5.part", ".pgd-2.tex.5.part", f".{record.name}.6.part"]:
        (record.parent / name).touch()
    perform(table, Worker(), MODULE)
    assert sorted(hidden(table)) == theirs


def test_two_records_are_taken_together_or_not_at_all(job: Job, tmp_path: Path) -> None:
    both = {split: tmp_path / "shards" / split / "manifest.json" for split in ("train", "test")}
    shard = replace(job, records=both)
    perform(shard, Worker(), MODULE)
    for path in both.values():
        path.unlink()
        orphan_mark(path).touch()
    work = Worker()
    perform(shard, work, MODULE)
    assert work.times == 0
    assert all(path.is_file() for path in both.values())

    both["train"].unlink()
    orphan_mark(both["train"]).touch()
    run_report(both["test"]).unlink()
    perform(shard, work, MODULE)
    assert work.times == 1
    assert not any(orphan_mark(path).exists() for path in both.values())


def test_an_orphan_that_ends_before_its_successor_starts_is_not_in_vain(
    job: Job, said: list[str]
) -> None:
    class Orphan(Worker):
        """The workflow dies, and the next one marks the job, while this process is at work."""

        def __call__(self, job: Job, inputs: Inputs) -> Result:
            orphan_mark(job.record).touch()
            return super().__call__(job, inputs)

    perform(job, Orphan(), MODULE)
    finished = job.record.read_bytes()
    # Snakemake removes the record when it starts the job again.
    job.record.unlink()
    successor = Worker()
    perform(job, successor, MODULE)
    assert successor.times == 0
    assert said[-1] == "took the finished result of an earlier process"
    assert job.record.read_bytes() == finished
    assert hidden(job) == []
