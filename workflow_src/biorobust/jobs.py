"""How every stage is carried out: checked before, alone while it runs, recorded after.

A job stops where the code is not the code that was planned, waits for an orphan that still does
the same work, takes a result that is already there when it was orphaned, and otherwise does the
work and writes its record last.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from biorobust.accepted import counted_as
from biorobust.code_digest import code_modules, digest_of_modules
from biorobust.environment import (
    describe_host,
    package_versions,
    peak_gpu_memory,
    peak_memory_bytes,
)
from biorobust.errors import UserError
from biorobust.files import (
    canonical_json,
    read_json,
    sha256_of_file,
    sha256_of_text,
    write_json,
)
from biorobust.gpus import granted_gpus
from biorobust.planning import Plan, plan_digest
from biorobust.provenance import (
    Record,
    damaged_outputs,
    is_vouched,
    make_record,
    require_planned,
    require_whole,
    run_report,
)
from biorobust.starts import counted_start, forget_starts


@dataclass(frozen=True)
class Job:
    """One piece of work: what was planned, where its inputs stand and where its records go.

    `execution` holds how it runs, which makes nothing stale: devices, threads, batches, paths.
    `ran` is the digest of the code that carries it out, once that is known; an accepted edit lets
    it differ from the plan's.
    """

    plan: Plan
    execution: dict[str, Any]
    inputs: dict[str, Path]
    records: dict[str, Path]
    say: Callable[[str], None]
    ran: str = ""

    @property
    def record(self) -> Path:
        """The record of a job that writes just one."""
        (path,) = self.records.values()
        return path

    @property
    def first_record(self) -> Path:
        """The record that stands for a job which may write several."""
        return next(iter(self.records.values()))

    @property
    def folder(self) -> Path:
        """The folder of the (first) record."""
        return self.first_record.parent

    @property
    def digest(self) -> str:
        """Stands for everything that the result depends on."""
        return plan_digest(self.plan)

    @property
    def origin(self) -> str:
        """Stands for all that work which was begun may be finished from: by the same job alone.

        Beside the plan these are the code that really runs, the inputs' bytes and the package
        versions, since the same plan may give other bytes with other versions.
        """
        parts = [self.digest, self.ran, self.input_sums, package_versions()]
        return sha256_of_text(canonical_json(parts))

    @property
    def input_sums(self) -> dict[str, str]:
        """SHA-256 of each input record, which names those of the files beside it."""
        return {name: sha256_of_file(path) for name, path in self.inputs.items()}

    def mend_command(self, path: Path) -> str:
        """What to type to make the file at `path` anew."""
        return f"{self.execution['snakemake']} --force {path}"


@dataclass(frozen=True)
class Result:
    """What a stage hands back: by record name, the files beside it (SHA-256) and its facts.

    `measured` is what may differ from run to run (images a second, peak GPU memory).
    """

    outputs: dict[str, dict[str, str]]
    facts: dict[str, dict[str, Any]]
    measured: dict[str, Any] = field(default_factory=dict)


def files_written(record: str, paths: Iterable[Path]) -> Result:
    """The result of a stage whose files stand beside the record of this name, and say it all."""
    return Result({record: {path.name: sha256_of_file(path) for path in paths}}, {record: {}})


# What follows the stem of a file that is being written. Nothing else may: epsilon 1 must not clear
# what epsilon 1.5 is writing, nor the card of model "a" what that of model "a.b" is.
_OWN_PART = re.compile(r"(\.run|\.findings|\.corrections)?\.[a-z]+\.\d+\.part")

Inputs = dict[str, Record]
Work = Callable[[Job, Inputs], Result]


def perform(job: Job, work: Work, *modules: str, tidy: Callable[[Job], None] | None = None) -> None:
    """Carry out `work` (whose code starts in `modules`) and write the job's records.

    `tidy` removes what only an unfinished job needs; it is called once the records stand.

    Raises UserError where the code, an input's record or an input's files are not as planned.
    """
    # Now, since a user's own file may be edited while the job runs.
    run_modules = code_modules(*modules)
    job = replace(job, ran=digest_of_modules(run_modules))
    _require_planned_code(job)
    with _alone(job) as waited:
        orphaned = _orphaned(job)
        # A start that finds the job done does no work, and is not counted.
        if not ((waited or orphaned) and _take_finished(job)):
            inputs = {name: _require_input(job, name, path) for name, path in job.inputs.items()}
            sums = job.input_sums
            with counted_start(job.first_record, job.digest) as start:
                result, measured = _measured(job, work, inputs)
                told = {
                    "starts": start.number,
                    "earlier_seconds": start.earlier_seconds,
                    # What an edit is held against that somebody accepts.
                    "modules": run_modules,
                }
                _publish(job, sums, result, measured | told)
            if orphaned:
                # A mark that was not there at the start is for the job that will ask for this
                # result.
                _unmark(job)
        forget_starts(job.first_record)
        if tidy:
            tidy(job)


def _measured(job: Job, work: Work, inputs: Inputs) -> tuple[Result, dict[str, Any]]:
    """Do the work; its result, and what this process took for it."""
    started = time.perf_counter()
    result = work(job, inputs)
    return result, {
        **peak_gpu_memory(),
        **result.measured,
        "wall_seconds": time.perf_counter() - started,
        "peak_memory_bytes": peak_memory_bytes(),
        "execution": job.execution,
        "granted_gpus": granted_gpus(),
        **describe_host(),
    }


def _require_planned_code(job: Job) -> None:
    if counted_as(job.ran) != job.plan["code"]:
        raise UserError(
            f"the code of stage {job.plan['stage']} was edited after this job was planned; "
            "nothing was run; start snakemake again, and it will plan with the code as it is now"
        )


def _require_input(job: Job, name: str, path: Path) -> Record:
    mend = job.mend_command(path)
    record = require_planned(path, job.plan["inputs"][name], mend)
    require_whole(path, record, mend)
    return record


@contextmanager
def _alone(job: Job) -> Iterator[bool]:
    """Hold the lock of the job's place; yields whether another process had to be waited for."""
    first = job.first_record
    first.parent.mkdir(parents=True, exist_ok=True)
    path = first.with_name(f".{first.stem}.lock")
    lock = FileLock(path)
    waited = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waited = True
        job.say(f"another process is still at work on {first}; waiting for it")
        lock.acquire()
    try:
        _clear_parts(job)
        yield waited
    finally:
        # Removed while held: whoever opened the old file notices, and locks a new one.
        path.unlink(missing_ok=True)
        lock.release()


def _clear_parts(job: Job) -> None:
    """Remove what a killed process of this job left half written."""
    for path in job.records.values():
        # The attack jobs of a model share a folder, as checks, tables, figures and cards do, and
        # the page has what is of the collected rows beside it; others have one to themselves.
        shared = job.plan["stage"] in ("attack", "check", "tables", "figures", "cards", "report")
        for stem in {path.stem, *job.plan.get("files", [])} if shared else {"*"}:
            for part in path.parent.glob(f".{stem}.[a-z]*.part"):
                ending = part.name.removeprefix(f".{stem}")
                if not shared or _OWN_PART.fullmatch(ending):
                    part.unlink(missing_ok=True)


def orphan_mark(record: Path) -> Path:
    """The mark on a job that was under way when its workflow was killed."""
    return record.with_name(f".{record.stem}.orphaned")


def marked_record(mark: Path) -> Path:
    """The record of the job that `orphan_mark` marks so."""
    return mark.with_name(f"{mark.stem.removeprefix('.')}.json")


def _orphaned(job: Job) -> bool:
    return any(orphan_mark(path).exists() for path in job.records.values())


def _unmark(job: Job) -> None:
    for path in job.records.values():
        orphan_mark(path).unlink(missing_ok=True)


def _take_finished(job: Job) -> bool:
    """Publish the result that an orphaned process left, if it is the planned one and whole."""
    found: dict[Path, Record] = {}
    for path in job.records.values():
        try:
            record = read_json(run_report(path))["record"]
        except (UserError, KeyError):
            return False
        if record["digest"] != job.digest or not is_vouched(record):
            return False
        if damaged_outputs(path, record):
            return False
        for name, total in job.input_sums.items():
            if record["inputs"][name]["sha256"] != total:
                return False
        found[path] = record
    for path, record in found.items():
        write_json(path, record)
    _unmark(job)
    job.say("took the finished result of an earlier process")
    return True


def _publish(
    job: Job, input_sums: dict[str, str], result: Result, measured: dict[str, Any]
) -> None:
    for name, path in job.records.items():
        record = make_record(
            job.plan, input_sums, result.outputs[name], result.facts[name], ran=job.ran
        )
        # The report carries the record, so that a result outlives the loss of its record.
        write_json(run_report(path), {**measured, "record": record})
        write_json(path, record)
