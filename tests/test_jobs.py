"""How a job is carried out: as planned or not at all, with a record of what was made."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from biorobust.errors import UserError
from biorobust.files import sha256_of_file, write_json, write_text
from biorobust.jobs import Inputs, Job, Result, perform, run_report
from biorobust.planning import plan_digest
from biorobust.provenance import make_record
from counted_work import INPUT_PLAN, MODULE, Worker, hidden, make_job
from tiny_jobs import EXECUTION, flip_byte


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def job(tmp_path: Path, said: list[str]) -> Job:
    return make_job(tmp_path, said)


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
    with pytest.raises(UserError, match=r"edited after this job was planned.*snakemake again"):
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


def test_failure_leaves_no_record_and_no_lock_but_the_count_of_starts(job: Job) -> None:
    def fail(job: Job, inputs: Inputs) -> Result:
        write_text(job.folder / "training.txt", "half")
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="disk is full"):
        perform(job, fail, MODULE)
    left = {path.name for path in job.folder.iterdir()}
    assert left == {"training.txt", ".training.starts"}
