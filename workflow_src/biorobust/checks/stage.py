"""The check stage: one trained model, one group of checks.

In: the test shards, the training's record and every attack's rows. Out:
`<group>.findings.json`, what each check found; `<group>.corrections.csv`, honest rows where an
attack's own are too kind (a header alone where none are); `<group>.json`, the record. A job that
is killed goes on after its last finished check.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from biorobust.checks.by_attack import findings_of
from biorobust.checks.corrections import HEADER, Correction, csv_lines
from biorobust.checks.findings import Finding
from biorobust.checks.finished import FinishedCheck, FinishedChecks
from biorobust.checks.kinds import CHECKS
from biorobust.checks.randomness import draws_at_random, with_reservation
from biorobust.checks.recorded import AttackEntry, AttackRows, Recorded
from biorobust.data.shards import Shards, open_shards
from biorobust.errors import UserError
from biorobust.files import write_json, write_text
from biorobust.jobs import Inputs, Job, Result
from biorobust.progress import Progress


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
    progress = Progress("checks", len(config["checks"]), job.say)
    progress.begin(len(done))
    for entry in config["checks"]:
        name = entry["name"]
        if name in done:
            job.say(f"{name} is done already")
            continue
        done[name] = _checked(name, entry["thresholds"], given)
        finished.add(done[name])
        for finding in done[name].findings:
            judged = f"{name} of {finding['attack']}" if finding["attack"] else name
            job.say(f"{judged}: {finding['verdict']}. {finding['sentence']}")
        progress.update(len(done))
    checks = [done[entry["name"]] for entry in config["checks"]]
    findings = [finding for check in checks for finding in check.findings]
    stem = job.record.stem
    told = job.record.with_name(f"{stem}.findings.json")
    honest = job.record.with_name(f"{stem}.corrections.csv")
    sums = {
        told.name: write_json(told, findings),
        honest.name: write_text(honest, HEADER + "".join(check.corrections for check in checks)),
    }
    if given is recorded:
        return Result({"check": sums}, {"check": {"passes": {}}})
    # Of checks and honest rows together; the findings tell them apart.
    passes = {
        way: sum(found[f"{way}_passes"] + found[f"honest_{way}_passes"] for found in findings)
        for way in ("forward", "backward")
    }
    return Result({"check": sums}, {"check": {"passes": passes}}, {"device": given.device.type})


def tidy(job: Job) -> None:
    """Remove what only an unfinished job needs."""
    _kept_path(job).unlink(missing_ok=True)


def _kept_path(job: Job) -> Path:
    return job.record.with_name(f".{job.record.stem}.kept")


def _checked(name: str, thresholds: Mapping[str, float], given: Any) -> FinishedCheck:
    """What a check finds of all that was recorded, or of a `Subject`, and its honest rows."""
    honest = getattr(import_module(CHECKS[name].module), "honest", None)
    findings: list[Finding] = []
    corrections: list[Correction] = []
    random: bool | None = None
    for finding, examined in findings_of(name, given, thresholds):
        objects = finding.verdict in ("warn", "fail")
        if objects and random is None:
            random = draws_at_random(given)
        if random:
            finding = with_reservation(finding)
        before = _passes(given)
        if objects and honest:
            corrections += list(honest(examined, thresholds))
        forward, backward = (
            after - earlier for after, earlier in zip(_passes(given), before, strict=True)
        )
        findings.append(
            replace(finding, honest_forward_passes=forward, honest_backward_passes=backward)
        )
    ids = (given if isinstance(given, Recorded) else given.recorded).ids
    told = [finding.to_json() for finding in findings]
    return FinishedCheck(name, told, csv_lines(ids, name, corrections))


def _passes(given: Any) -> tuple[int, int]:
    """How many images have gone through the model, forward and backward; rows have none."""
    if isinstance(given, Recorded):
        return 0, 0
    return given.model.passes.forward, given.model.passes.backward


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
