"""The check stage: one trained model, one group of checks.

In: the test shards, the training's record and every attack's rows. Out:
`<group>.findings.json`, what each check found; `<group>.corrections.csv`, honest rows where an
attack's own are too kind (a header alone where none are); `<group>.json`, the record. A job that
is killed goes on after its last finished check.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from biorobust.checks.corrections import HEADER, Correction, csv_lines
from biorobust.checks.findings import Finding
from biorobust.checks.finished import FinishedCheck, FinishedChecks
from biorobust.checks.kinds import CHECKS
from biorobust.checks.recorded import AttackEntry, AttackRows, Recorded
from biorobust.data.shards import Shards, open_shards
from biorobust.errors import UserError
from biorobust.files import write_json, write_text
from biorobust.jobs import Inputs, Job, Result


def run(job: Job, inputs: Inputs) -> Result:
    """Carry out every check of the group. Config: group, seed, checks, attacks.

    Raises UserError where rows are not those of the test set, or the wanted device is not there.
    """
    del inputs
    config = job.plan["config"]
    shards = open_shards(job.inputs["shards"].parent)
    recorded = _recorded(job, shards)
    given: Any = recorded
    if "implementation" in job.plan:
        # The checks of rows need no torch, whose import would take longer than they do.
        from biorobust.checks.examination import subject_of

        given = subject_of(job, shards, recorded)
    finished = FinishedChecks(_kept_path(job), job.origin)
    done = finished.read(job.say)
    for entry in config["checks"]:
        name = entry["name"]
        if name in done:
            job.say(f"{name} is done already: {done[name].finding['verdict']}")
            continue
        done[name] = _checked(name, entry["thresholds"], given)
        finished.add(done[name])
        finding = done[name].finding
        job.say(f"{name}: {finding['verdict']}. {finding['sentence']}")
    checks = [done[entry["name"]] for entry in config["checks"]]
    stem = job.record.stem
    told = job.record.with_name(f"{stem}.findings.json")
    honest = job.record.with_name(f"{stem}.corrections.csv")
    sums = {
        told.name: write_json(told, [check.finding for check in checks]),
        honest.name: write_text(honest, HEADER + "".join(check.corrections for check in checks)),
    }
    passes = {way: sum(check.passes[way] for check in checks) for way in checks[0].passes}
    measured = {} if given is recorded else {"device": given.device.type}
    return Result({"check": sums}, {"check": {"passes": passes}}, measured)


def tidy(job: Job) -> None:
    """Remove what only an unfinished job needs."""
    _kept_path(job).unlink(missing_ok=True)


def _kept_path(job: Job) -> Path:
    return job.record.with_name(f".{job.record.stem}.kept")


def _checked(name: str, thresholds: Mapping[str, float], given: Any) -> FinishedCheck:
    """Carry out a check on what is given: all that was recorded, or a `Subject`."""
    check = import_module(CHECKS[name].module)
    before = _passes(given)
    # Two groups may hold one check, at different sizes and under different names.
    finding: Finding = replace(check.check(given, thresholds), check=name)
    made: Iterable[Correction] = []
    if finding.verdict in ("warn", "fail") and hasattr(check, "honest"):
        made = check.honest(given, thresholds)
    recorded = given if isinstance(given, Recorded) else given.recorded
    corrections = csv_lines(recorded.ids, name, made)
    passes = {way: count - before[way] for way, count in _passes(given).items()}
    return FinishedCheck(finding.to_json(), corrections, passes)


def _passes(given: Any) -> dict[str, int]:
    return {} if isinstance(given, Recorded) else asdict(given.model.passes)


def _recorded(job: Job, shards: Shards) -> Recorded:
    """What training and attacks recorded of the model."""
    attacks = tuple(
        AttackEntry(
            name=entry["name"],
            kind=entry["kind"],
            norm=entry["norm"],
            config={key: value for key, value in entry["config"].items() if key != "kind"},
            epsilons=tuple((epsilon["text"], epsilon["value"]) for epsilon in entry["epsilons"]),
        )
        for entry in job.plan["config"]["attacks"]
    )
    rows = {}
    for name, path in job.inputs.items():
        if name.startswith("attack:"):
            _, attack, epsilon = name.split(":")
            rows[attack, epsilon] = read_rows(path.with_suffix(".csv"), shards.ids)
    return Recorded(
        ids=shards.ids,
        labels=shards.labels,
        pixels=3 * shards.image_size**2,
        attacks=attacks,
        rows=rows,
        training_accuracy=_training_accuracy(job.inputs["training"].with_name("history.csv")),
    )


def read_rows(path: Path, ids: list[str]) -> AttackRows:
    """An attack job's rows. Raises UserError unless they are of the images `ids`, in that order."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    if [line["image"] for line in lines] != ids:
        raise UserError(f"{path} is not of the test images in their order; delete it and run again")
    kinds = {"success": int, "loss": float, "linf": float, "l2": float, "rms": float}
    columns = {
        field.name: np.array([kinds.get(field.name, int)(line[field.name]) for line in lines])
        for field in fields(AttackRows)
    }
    return AttackRows(**{**columns, "success": columns["success"].astype(bool)})


def _training_accuracy(path: Path) -> float | None:
    """The accuracy of the last epoch; None where the weights were trained elsewhere."""
    with path.open(newline="") as file:
        epochs = list(csv.DictReader(file))
    if not epochs:
        return None
    accuracy = float(epochs[-1]["accuracy"])
    return accuracy if math.isfinite(accuracy) else None
