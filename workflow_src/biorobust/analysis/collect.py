"""The collect stage: every row of an experiment in one table, and no row that does not belong.

In: the rows and records of the attack jobs and of the checks. Out: `results.parquet`, one row per
model, seed, attack, epsilon and test image, with the closed verdict `broken` beside the raw
`success`, `broken_uncorrected` without what the checks broke besides, and `deterministic`, whether
the model may be held to one clean prediction an image; `corrections.parquet`,
the checks' own rows of these; `results.json`, their record, with the grid that the experiment asks
for, what is missing of it and what the checks found. An attack that searches for the smallest
perturbation has epsilon NaN, written "minimal".
"""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.collected_checks import (
    Findings,
    closed,
    joined_corrections,
    read_corrections,
    read_findings,
    with_determinism,
)
from biorobust.analysis.trusted import Trusted
from biorobust.errors import UserError
from biorobust.files import read_json, write_bytes
from biorobust.jobs import Inputs, Job, Result
from biorobust.places import (
    AttackJob,
    Outline,
    attack_jobs,
    attack_record,
    check_jobs,
    check_record,
    named,
    training_record,
)
from biorobust.planning import attack_plan
from biorobust.provenance import Record, rows_digest, run_report

PARQUET, CORRECTIONS = "results.parquet", "corrections.parquet"

# Execution settings of the attack that may move a loss's or a size's last digits.
_ATTACK_SETTINGS = {
    "memory orders (channels last)": "attack_channels_last",
    "precisions of the first pass": "attack_precision",
}


@dataclass(frozen=True)
class Collected:
    """Rows in the order of the config, attack jobs without a result, and warnings for the reader.

    `corrections` are the rows of the checks, and `findings` what each check found.
    """

    rows: pd.DataFrame
    missing: list[dict[str, Any]]
    warnings: list[str]
    corrections: pd.DataFrame
    findings: Findings


def run(job: Job, inputs: Inputs) -> Result:
    """Write the table. Raises UserError naming every result that is missing, stale or damaged."""
    del inputs
    outline = job.plan["outline"]
    collected = gather(job.folder, outline, job.execution["snakemake"])
    for warning in collected.warnings:
        job.say(f"warning: {warning}")
    outputs = write_rows(job.folder, collected)
    facts = {**facts_of(outline, collected), "rows": rows_digest(job.folder, outline)}
    return Result({"results": outputs}, {"results": facts})


def write_rows(folder: Path, collected: Collected) -> dict[str, str]:
    """Write `results.parquet` and `corrections.parquet`; SHA-256 by file name."""
    sums = {}
    for name, rows in ((PARQUET, collected.rows), (CORRECTIONS, collected.corrections)):
        buffer = io.BytesIO()
        rows.to_parquet(buffer, index=False, engine="pyarrow")
        sums[name] = write_bytes(folder / name, buffer.getvalue())
    return sums


def facts_of(outline: Outline, collected: Collected) -> dict[str, Any]:
    """What the record says beside the rows: the grid that was asked for, and what lacks of it."""
    grid = {
        "models": [
            {key: model[key] for key in ("name", "kind", "seeds")} for model in outline["models"]
        ],
        "attacks": [
            {key: attack[key] for key in ("name", "kind", "norm", "epsilons")}
            for attack in outline["attacks"]
        ],
        "checks": [{"name": group["name"]} for group in outline["checks"]],
    }
    return {
        "experiment": outline["experiment"],
        "grid": grid,
        "missing": collected.missing,
        "warnings": collected.warnings,
        "checks": collected.findings,
    }


def gather(folder: Path, outline: Outline, snakemake: str, *, partial: bool = False) -> Collected:
    """Read every attack job's rows below an experiment's folder, checking where they come from.

    The same goes for what the checks found. With `partial`, attack jobs without a usable result
    are listed as missing and checks left out; otherwise they raise UserError, all in one message,
    each with the command that mends it (`snakemake` is how the workflow was started).
    """
    frames, missing, faults = [], [], []
    made_by: set[Path] = set()
    accepted = 0
    trusted = Trusted(folder, outline, snakemake, source_files=not partial)
    spoilt: set[tuple[str, int]] = set()
    for job in attack_jobs(outline):
        path = folder / attack_record(job)
        try:
            record = trusted.attack(job)
        except UserError as error:
            missing.append(job._asdict())
            spoilt.add((job.model, job.seed))
            faults.append(str(error))
            continue
        frames.append(_rows(outline, job, path, record))
        made_by |= {path, folder / training_record(job.model, job.seed)}
        accepted += "ran" in record
    findings: Findings = []
    corrections = []
    for checks in check_jobs(outline):
        if (checks.model, checks.seed) in spoilt:
            # They were made from those rows, and come with them when these are made anew.
            continue
        path = folder / check_record(checks)
        try:
            trusted.checks(checks)
        except UserError as error:
            faults.append(str(error))
            continue
        findings += read_findings(checks, path)
        corrections.append(read_corrections(outline, checks, path))
    if faults and (not partial or not frames):
        count = f"{len(faults)} result(s) cannot be used:"
        # One fault of a model or of the shards is that of all rows made from them.
        raise UserError("\n".join([count, *dict.fromkeys(faults)]))
    corrected = joined_corrections(corrections)
    rows = closed(with_determinism(pd.concat(frames, ignore_index=True), findings), corrected)
    warnings = _mixture_warnings(made_by)
    if accepted:
        warnings.append(
            f"{accepted} result(s) were made by code that counts as earlier code, since its edit "
            "was accepted as changing no number: biorobust accept lists why"
        )
    return Collected(rows, missing, warnings, corrected, findings)


def _mixture_warnings(records: set[Path]) -> list[str]:
    """One line for each package version, thread count or device that differs between the jobs."""
    versions: dict[str, set[str]] = {}
    unknown = 0
    for record in records:
        used = _circumstances(run_report(record))
        unknown += not used
        for what, value in used.items():
            versions.setdefault(what, set()).add(value)
    warnings = [
        f"rows were made with several {what}: {', '.join(sorted(found))}"
        for what, found in sorted(versions.items())
        if len(found) > 1
    ]
    if unknown:
        warnings.append(f"package versions of {unknown} result(s) are unknown: no .run.json")
    return warnings


def _circumstances(report: Path) -> dict[str, str]:
    """What may move a number's last digits, by name; empty where the run report was lost."""
    try:
        run = read_json(report)
        found = {f"versions of {name}": version for name, version in run["versions"].items()}
        if "device" in run:
            found["devices"] = run["device"]
            found["thread counts"] = str(run["execution"]["threads"])
            for name, setting in _ATTACK_SETTINGS.items():
                if setting in run["execution"]:
                    found[name] = str(run["execution"][setting])
    except (UserError, KeyError):
        return {}
    return found


def _rows(outline: Outline, job: AttackJob, path: Path, record: Record) -> pd.DataFrame:
    (name,) = record["outputs"]
    rows = pd.read_csv(path.parent / name, dtype={"image": str}, keep_default_na=False)
    rows["success"] = rows["success"].astype(bool)
    attack = named(outline["attacks"], job.attack)
    epsilon = attack_plan(outline, job)["config"]["epsilon"]
    labels = {
        "model": job.model,
        "kind": named(outline["models"], job.model)["kind"],
        "seed": job.seed,
        "attack": job.attack,
        "attack_kind": attack["kind"],
        "norm": attack["norm"],
        "epsilon": math.nan if epsilon is None else epsilon,
        "epsilon_text": job.epsilon,
    }
    for place, (column, value) in enumerate(labels.items()):
        rows.insert(place, column, value)
    return rows
