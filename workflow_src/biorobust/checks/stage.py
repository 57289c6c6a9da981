"""The check stage: one trained model, one group of checks.

In: the test shards, the training's record and every attack's rows. Out:
`<group>.findings.json`, what each check found; `<group>.corrections.csv`, honest rows where an
attack's own are too kind (a header alone where none are); `<group>.json`, the record.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from biorobust.checks.by_attack import findings_of
from biorobust.checks.corrections import Correction, csv_text
from biorobust.checks.findings import Finding
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
    findings: list[Finding] = []
    corrections: list[tuple[str, Correction]] = []
    for entry in config["checks"]:
        found, made = _checked(entry["name"], entry["thresholds"], given)
        findings += found
        corrections += [(entry["name"], correction) for correction in made]
        for finding in found:
            judged = f"{finding.check} of {finding.attack}" if finding.attack else finding.check
            job.say(f"{judged}: {finding.verdict}. {finding.sentence}")
    stem = job.record.stem
    told = job.record.with_name(f"{stem}.findings.json")
    honest = job.record.with_name(f"{stem}.corrections.csv")
    sums = {
        told.name: write_json(told, [finding.to_json() for finding in findings]),
        honest.name: write_text(honest, csv_text(recorded.ids, corrections)),
    }
    # Of checks and honest rows together; the findings tell them apart.
    passes = {} if given is recorded else asdict(given.model.passes)
    return Result({"check": sums}, {"check": {"passes": passes}})


def _checked(
    name: str, thresholds: Mapping[str, float], given: Any
) -> tuple[list[Finding], list[Correction]]:
    """What a check finds of all that was recorded, or of a `Subject`, and its honest rows."""
    honest = getattr(import_module(CHECKS[name].module), "honest", None)
    findings, corrections = [], []
    for finding, examined in findings_of(name, given, thresholds):
        before = _passes(given)
        if finding.verdict in ("warn", "fail") and honest:
            corrections += list(honest(examined, thresholds))
        forward, backward = (
            after - earlier for after, earlier in zip(_passes(given), before, strict=True)
        )
        findings.append(
            replace(finding, honest_forward_passes=forward, honest_backward_passes=backward)
        )
    return findings, corrections


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
