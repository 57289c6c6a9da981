"""A large test set in several jobs: which images are whose, and where their rows stand.

The parts of an attack job are jobs of their own, each with a stretch of the test set. The attack
job itself then takes the rows that its parts finished, and attacks only what is lacking, so its
result is the same however many parts there were.
"""

import shutil
from pathlib import Path
from typing import Any

from biorobust.attacks.attack_rows import Row, from_json_lines, read_csv
from biorobust.attacks.base import BLOCK
from biorobust.environment import package_versions
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.jobs import Job
from biorobust.places import attack_part_record
from biorobust.planning import attack_part_plan, plan_digest
from biorobust.provenance import Record, damaged_outputs, is_vouched, run_report

# Of a part's run report, what the attack job's own has as well.
_NOT_COST = ("record", "versions", "platform", "git_commit", "cpu_count")


def numbers_of_part(images: int, part: int, parts: int) -> range:
    """The images of a part, by number; together the parts hold each image once.

    They meet at the borders of blocks, so that attacks which work on blocks find theirs whole.
    """
    blocks = -(-images // BLOCK)
    first, after = (blocks * p // parts * BLOCK for p in (part, part + 1))
    return range(min(first, images), min(after, images))


def finished_rows(job: Job, record: Path) -> list[Row]:
    """Rows that other jobs finished for the attack job with this record, if it is planned so.

    They are those of its parts and, where the number of parts was changed after it was done, its
    own of then.
    """
    plan = {key: value for key, value in job.plan.items() if key != "part"}
    parts = job.execution["attack_shards"]
    rows = _before_a_change_of_parts(job, record, plan_digest(plan))
    if rows or "part" in job.plan or parts == 1:
        return rows
    for part in range(parts):
        path = attack_part_record(record, part, parts)
        try:
            found = read_json(path)
        except UserError as error:
            job.say(f"{error}; its images are attacked here")
            continue
        digest = plan_digest(attack_part_plan(plan, part, parts))
        if _report_of_same_origin(job, path, digest).get("record") != found:
            job.say(f"{path} is not the planned one; its images are attacked here")
            continue
        rows += from_json_lines(path.with_suffix(".rows").read_text())
    return rows


def _before_a_change_of_parts(job: Job, record: Path, digest: str) -> list[Row]:
    """The finished job's rows, if nothing but the number of parts is other than it was."""
    report = _report_of_same_origin(job, record, digest)
    if not report:
        return []
    if report["execution"].get("attack_shards", 1) == job.execution["attack_shards"]:
        return []
    return list(read_csv(record.with_suffix(".csv")))


def _report_of_same_origin(job: Job, record: Path, digest: str) -> dict[str, Any]:
    """What is known of the run that made a whole result by this plan, from the job's own inputs.

    Empty if it was another plan, or other inputs or package versions, or the result is damaged:
    its rows would be mixed with others under a record that does not say so.
    """
    try:
        report: dict[str, Any] = read_json(run_report(record))
        made: Record = report["record"]
        sums = {name: source["sha256"] for name, source in made["inputs"].items()}
        same = (made["digest"], sums) == (digest, job.input_sums) and is_vouched(made)
        if same and report["versions"] == package_versions() and not damaged_outputs(record, made):
            return report
    except (UserError, KeyError, TypeError, AttributeError):
        pass
    return {}


def part_reports(job: Job) -> list[dict[str, Any]]:
    """What the parts of an attack job took, by their run reports, which go with them.

    A part whose report is lost, or that did other work than is planned now, is left out.
    """
    parts = job.execution["attack_shards"]
    if "part" in job.plan or parts == 1:
        return []
    reports = []
    for part in range(parts):
        path = run_report(attack_part_record(job.record, part, parts))
        try:
            report = read_json(path)
            if report["record"]["digest"] == plan_digest(attack_part_plan(job.plan, part, parts)):
                reports.append({key: report[key] for key in report if key not in _NOT_COST})
        except (UserError, KeyError, TypeError):
            continue
    return reports


def remove_parts(record: Path) -> None:
    """Remove the parts of a finished attack job."""
    shutil.rmtree(record.with_name(f"{record.stem}.parts"), ignore_errors=True)
