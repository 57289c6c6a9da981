"""What a result was made from: its record, and the checks that keep records honest.

A stage's record is the JSON file that it writes last and that the next stage takes as its input.
It holds the plan that was carried out and the SHA-256 of each file beside it, so that whoever
reads a result can tell whether it is whole and whether it is the one that was asked for. Its
copy in the run report tells whether it was edited since. (Whoever recomputes record, copy and all
that refers to them can still forge a result; this is against accidents, not against fraud.)
"""

from pathlib import Path
from typing import Any

from biorobust.accepted import counted_as
from biorobust.errors import UserError
from biorobust.files import canonical_json, read_json, sha256_of_file, sha256_of_text
from biorobust.places import Outline, attack_jobs, attack_record
from biorobust.planning import Plan, plan_digest

Record = dict[str, Any]

# What a record says of its plan beside the inputs.
_TOLD = ("stage", "code", "config", "implementation", "attack_implementation")


def make_record(
    plan: Plan,
    inputs: dict[str, str],
    outputs: dict[str, str],
    facts: dict[str, Any],
    *,
    ran: str | None = None,
) -> Record:
    """The record of a job: its plan and digest, SHA-256 of input records and of output files.

    `outputs` maps file names beside the record to SHA-256; `facts` are what the next stage wants
    to know of the result (class names, image counts). `ran` is the digest of the code that ran,
    where an accepted edit lets that differ from the planned one.
    """
    return {
        **facts,
        **({"ran": ran} if ran not in (None, plan.get("code")) else {}),
        **{key: plan[key] for key in _TOLD if key in plan},
        "digest": plan_digest(plan),
        "inputs": {
            name: {"digest": digest, "sha256": inputs.get(name, digest)}
            for name, digest in plan.get("inputs", {}).items()
        },
        "outputs": outputs,
    }


def require_planned(path: Path, digest: str, mend: str) -> Record:
    """The record at `path`, if it was made by the plan with this digest.

    Raises UserError, with the command `mend`, where the record is missing, damaged or stale, or
    tells of another plan than its digest stands for, or of code that nobody vouches for any more.
    """
    try:
        record: Record = read_json(path)
    except UserError as error:
        raise UserError(f"{error}; make it anew with: {mend}") from error
    recorded = record.get("digest") if isinstance(record, dict) else None
    if recorded != digest:
        raise UserError(
            f"{path} was made by other code, config or data than this run has planned "
            f"(recorded {str(recorded)[:12]}, planned {digest[:12]}); "
            f"make it anew with: {mend}"
        )
    if not _tells_its_plan(record):
        raise UserError(
            f"{path} is damaged (its config, code or inputs are not those of its digest); "
            f"make it anew with: {mend}"
        )
    if not is_vouched(record):
        raise UserError(
            f"{path} was made by code that was accepted in place of another, and no longer is; "
            f"make it anew with: {mend}"
        )
    return record


def _tells_its_plan(record: Record) -> bool:
    try:
        inputs = {name: source["digest"] for name, source in record["inputs"].items()}
        plan = {key: record[key] for key in _TOLD if key in record} | {"inputs": inputs}
        # The plans of rows in one table, tables and figures hold more than their records tell.
        told = record["stage"] in ("shard", "train", "attack")
        return isinstance(record["outputs"], dict) and not (
            told and plan_digest(plan) != record["digest"]
        )
    except (KeyError, TypeError, AttributeError):
        return False


def is_vouched(record: Record) -> bool:
    """Whether a result was made by its plan's code, or by other that is accepted in its place."""
    return "ran" not in record or counted_as(str(record["ran"])) == record.get("code")


def run_report(record: Path) -> Path:
    """Where the facts of a job's run stand (never compared between runs): `<stem>.run.json`."""
    return record.with_name(f"{record.stem}.run.json")


def rows_digest(folder: Path, outline: Outline) -> str:
    """SHA-256 that stands for every attack job's rows as they are below an experiment's folder.

    Raises FileNotFoundError where a record is missing.
    """
    records = [folder / attack_record(job) for job in attack_jobs(outline)]
    return sha256_of_text(canonical_json([sha256_of_file(path) for path in records]))


def damaged_outputs(path: Path, record: Record) -> list[str]:
    """One line for each file named by the record at `path` that is missing or has other bytes."""
    faults = []
    for name, expected in record["outputs"].items():
        file = path.parent / name
        if not file.is_file():
            faults.append(f"{file} is missing")
        elif sha256_of_file(file) != expected:
            faults.append(f"{file} is damaged (its SHA-256 is not the recorded one)")
    return faults


def require_whole(path: Path, record: Record, mend: str) -> None:
    """Raises UserError, with the command `mend`, unless record and files are as the job wrote them.

    The record is held against the copy in its run report, where there is one.
    """
    if faults := damaged_outputs(path, record) or _unlike_its_report(run_report(path)):
        raise UserError("; ".join(faults) + f"; make it anew with: {mend}")


def verify_folder(folder: Path) -> list[str]:
    """One line for each missing or damaged file that a record anywhere under `folder` vouches for.

    A record itself is held against the copy in its job's run report. Raises UserError where there
    is no record at all.
    """
    faults: list[str] = []
    records = 0
    for path in sorted(folder.rglob("*.json")):
        if path.name.endswith(".run.json"):
            faults += _unlike_its_report(path)
            continue
        try:
            record = read_json(path)
        except UserError as error:
            faults.append(str(error))
            continue
        if isinstance(record, dict) and isinstance(record.get("outputs"), dict):
            records += 1
            faults += damaged_outputs(path, record)
    if not records and not faults:
        raise UserError(f"{folder} holds no record (manifest.json, training.json, ...) to check by")
    return faults


def _unlike_its_report(report: Path) -> list[str]:
    """What is wrong with the record of a run report: none, or other than what its job wrote."""
    record = report.with_name(report.name.removesuffix(".run.json") + ".json")
    if not record.is_file():
        return [f"{record} is missing"]
    try:
        same = read_json(report)["record"] == read_json(record)
    except (UserError, KeyError, TypeError):
        # A damaged record is named by itself, and a lost report vouches for nothing.
        return []
    return [] if same else [f"{record} is damaged (it is not what {report.name} holds of it)"]
