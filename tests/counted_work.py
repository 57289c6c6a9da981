"""Work that counts how often it was done, and a job to do it for."""

from pathlib import Path

from biorobust.code_digest import code_digest
from biorobust.files import write_json, write_text
from biorobust.jobs import Inputs, Job, Result
from biorobust.planning import plan_digest
from biorobust.provenance import make_record
from tiny_jobs import EXECUTION

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


def make_job(folder: Path, said: list[str]) -> Job:
    """A training job with its input in place; what it says is appended to `said`."""
    source = write_input(folder / "shards")
    plan = {
        "stage": "train",
        "code": code_digest(MODULE),
        "config": {"text": "outcome"},
        "inputs": {"shards": plan_digest(INPUT_PLAN)},
    }
    records = {"training": folder / "models" / "training.json"}
    return Job(plan, EXECUTION, {"shards": source}, records, said.append)


def hidden(job: Job) -> list[str]:
    """Names of the hidden files in the job's folder: locks, marks, parts."""
    return [path.name for path in job.folder.glob(".*")]
