"""How a job is carried out: as planned or not at all, alone, and never twice."""

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

from biorobust.code_digest import code_digest
from biorobust.errors import UserError
from biorobust.files import sha256_of_file, write_json, write_text
from biorobust.jobs import Inputs, Job, Result, orphan_mark, perform, run_report
from biorobust.planning import plan_digest
from biorobust.provenance import make_record
from tiny_jobs import EXECUTION, child_environment, flip_byte

# Any module of the package that counts in code digests.
MODULE = "biorobust.files"
INPUT_PLAN = {"stage": "shard", "code": "0", "config": {}, "inputs": {}}


class Worker:
    """Work that writes its plan's text to a file, and counts how often it was done."""

    def __init__(self) -> None:
        self.times = 0
        self.inputs: Inputs = {}

    def __call__(self, job: Job, inputs: Inputs) -> Result:
        self.times += 1
        self.inputs = inputs
        outputs, facts = {}, {}
        for name, record in job.records.items():
            file = record.with_suffix(".txt")
            outputs[name] = {file.name: write_text(file, job.plan["config"]["text"])}
            facts[name] = {"rows": 3}
        return Result(outputs, facts, {"images": 7})


def write_input(folder: Path) -> Path:
    """A finished job's record, with one file beside it."""
    sums = {"data.txt": write_text(folder / "data.txt", "some data")}
    path = folder / "manifest.json"
    write_json(path, make_record(INPUT_PLAN, {}, sums, {"classes": 2}))
    return path


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def job(tmp_path: Path, said: list[str]) -> Job:
    source = write_input(tmp_path / "shards")
    plan = {
        "stage": "train",
        "code": code_digest(MODULE),
        "config": {"text": "outcome"},
        "inputs": {"shards": plan_digest(INPUT_PLAN)},
    }
    records = {"training": tmp_path / "models" / "training.json"}
    return Job(plan, EXECUTION, {"shards": source}, records, said.append)


def other_text(job: Job) -> Job:
    return replace(job, plan={**job.plan, "config": {"text": "another outcome"}})


def hidden(job: Job) -> list[str]:
    return [path.name for path in job.folder.glob(".*")]


def test_a_job_leaves_its_files_its_record_and_nothing_else(job: Job, said: list[str]) -> None:
    work = Worker()
    perform(job, work, MODULE)
    assert work.inputs["shards"]["classes"] == 2
    assert sorted(path.name for path in job.folder.iterdir()) == [
        *("training.json", "training.run.json", "training.txt")
    ]
    record = json.loads(job.record.read_text())
    assert record == {
        "stage": "train",
        "code": job.plan["code"],
        "config": {"text": "outcome"},
        "digest": plan_digest(job.plan),
        "inputs": {
            "shards": {
                "digest": plan_digest(INPUT_PLAN),
                "sha256": sha256_of_file(job.inputs["shards"]),
            }
        },
        "outputs": {"training.txt": sha256_of_file(job.folder / "training.txt")},
        "rows": 3,
    }
    report = json.loads(run_report(job.record).read_text())
    assert report["images"] == 7
    assert report["execution"] == EXECUTION
    assert report["wall_seconds"] >= 0
    assert report["peak_memory_bytes"] > 1 << 20
    assert report["versions"]["python"].startswith("3.")
    assert said == []


def test_the_record_holds_nothing_that_differs_from_run_to_run(job: Job) -> None:
    perform(job, Worker(), MODULE)
    before = job.record.read_bytes()
    perform(replace(job, execution={**EXECUTION, "threads": 2}), Worker(), MODULE)
    assert job.record.read_bytes() == before


def test_code_that_was_edited_after_planning_is_not_run(job: Job) -> None:
    work = Worker()
    edited = replace(job, plan={**job.plan, "code": "0" * 64})
    with pytest.raises(UserError, match="edited after this job was planned.*snakemake again"):
        perform(edited, work, MODULE)
    assert work.times == 0
    assert not job.folder.exists()


def damage_stale(record: Path) -> str:
    write_json(record, make_record({**INPUT_PLAN, "code": "1"}, {}, {}, {}))
    return "made by other code, config or data"


def damage_missing(record: Path) -> str:
    record.unlink()
    return "is missing"


def damage_no_json(record: Path) -> str:
    record.write_text('{"digest": ')
    return "is damaged"


def damage_flipped(record: Path) -> str:
    flip_byte(record.parent / "data.txt")
    return "data.txt is damaged"


def damage_cut(record: Path) -> str:
    os.truncate(record.parent / "data.txt", 3)
    return "data.txt is damaged"


def damage_deleted(record: Path) -> str:
    (record.parent / "data.txt").unlink()
    return "data.txt is missing"


@pytest.mark.parametrize(
    "damage",
    [damage_stale, damage_missing, damage_no_json, damage_flipped, damage_cut, damage_deleted],
)
def test_bad_input_is_refused_with_the_command_that_mends_it(
    job: Job, damage: Callable[[Path], str]
) -> None:
    work = Worker()
    fault = damage(job.inputs["shards"])
    with pytest.raises(UserError) as caught:
        perform(job, work, MODULE)
    (line,) = str(caught.value).splitlines()
    assert fault in line
    assert line.endswith(f"make it anew with: snakemake --cores 1 --force {job.inputs['shards']}")
    assert work.times == 0
    assert not job.record.exists()
    assert hidden(job) == []


def test_failure_leaves_no_record_and_no_lock(job: Job) -> None:
    def fail(job: Job, inputs: Inputs) -> Result:
        write_text(job.folder / "training.txt", "half")
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="disk is full"):
        perform(job, fail, MODULE)
    assert [path.name for path in job.folder.iterdir()] == ["training.txt"]


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
