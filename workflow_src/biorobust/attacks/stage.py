"""The attack stage: one trained model, one attack, at most one epsilon, every test image.

In: `training.json` with its weights, and the test shards. Out: `eps-<e>.csv`, one row an image in
the order of the index, and `eps-<e>.json`; `minimal.csv` and `minimal.json` of an attack that
searches for the smallest perturbation. A job that is planned as a part of another writes the rows
of its images to `<name>.rows`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from biorobust.attacks.attack_rows import KeptRows, Row, csv_text, rows_of, to_json_line
from biorobust.attacks.base import ImageAttack, Manner
from biorobust.attacks.catalogue import build_attack
from biorobust.attacks.engine import Images
from biorobust.attacks.parts import finished_rows, numbers_of_part, part_reports, remove_parts
from biorobust.attacks.sanity import UnfitForAttack
from biorobust.data.batches import to_pixels
from biorobust.data.shards import Shards, open_shards
from biorobust.devices import prepare_torch
from biorobust.errors import UserError
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result
from biorobust.models.registry import load_model
from biorobust.places import whole_attack_record
from biorobust.progress import Progress


def run(job: Job, inputs: Inputs) -> Result:
    """Attack every test image once. Config: the attack's kind and options, epsilon and seed.

    In the rows, `steps` are those of the descent for FGSM, BIM and PGD, and for every other kind
    the forward passes of the search that the image took part in. An image that an attack without
    epsilon could not break comes back unchanged: no success, size 0.

    Success is decided in float32 on the plain model, whose weights take no gradients. Raises
    UserError where the model cannot be attacked, since no verdict on it would mean anything.
    """
    del inputs
    device = prepare_torch(job.execution)
    shards = open_shards(job.inputs["shards"].parent)
    numbers = range(len(shards))
    if "part" in job.plan:
        numbers = numbers_of_part(len(shards), *job.plan["part"])
    kept = KeptRows(_kept_path(job), job.origin)
    found = [*kept.read(), *finished_rows(job, whole_attack_record(job.record))]
    rows = {row.number: row for row in found if row.number in numbers}
    left = np.array([number for number in numbers if number not in rows], dtype=np.int64)
    progress = Progress("images", len(numbers), job.say)
    if rows:
        job.say(f"{len(rows)} of {len(numbers)} images are done already")
    progress.begin(len(rows))
    broken = sum(row.success for row in rows.values())
    for finished in _attacked(job, shards, left, device):
        rows |= {row.number: row for row in finished}
        kept.add(finished, at_least=job.execution["attack_batch_size"])
        broken += sum(row.success for row in finished)
        progress.update(len(rows), f"{broken} broken")
    outputs = _written(job.record, list(rows.values()), part="part" in job.plan)
    measured = {"images": len(left), "device": device.type, "parts": part_reports(job)}
    return Result({"attack": outputs}, {"attack": {}}, measured)


def tidy(job: Job) -> None:
    """Remove what only an unfinished job needs."""
    _kept_path(job).unlink(missing_ok=True)
    if "part" not in job.plan:
        remove_parts(job.record)


def _kept_path(job: Job) -> Path:
    return job.record.with_name(f".{job.record.stem}.kept")


def _written(record: Path, rows: list[Row], *, part: bool) -> dict[str, str]:
    path = record.with_suffix(".rows" if part else ".csv")
    text = to_json_line(sorted(rows)) if part else csv_text(rows)
    return {path.name: write_text(path, text)}


def _attacked(
    job: Job, shards: Shards, numbers: np.ndarray, device: torch.device
) -> Iterator[list[Row]]:
    """The rows of the images with these numbers, as they are finished."""
    if not len(numbers):
        return
    options = dict(job.plan["config"])
    epsilon, seed = options.pop("epsilon"), options.pop("seed")
    attack: ImageAttack = build_attack(**options)
    if attack.minimal != (epsilon is None):
        wants = "has no epsilon: leave epsilons out" if attack.minimal else "needs epsilons"
        raise UserError(f"attack kind {options['kind']} {wants}; correct the config")
    folder = job.inputs["training"].parent
    model = load_model(folder, device=str(device))
    manner = Manner(
        batch_size=job.execution["attack_batch_size"],
        precision=job.execution["attack_precision"],
        compiled=job.execution["attack_compiled"],
        channels_last=job.execution["attack_channels_last"],
        say=job.say,
    )
    if manner.channels_last:
        model = model.to(memory_format=torch.channels_last)
    stretches = _stretches(shards, numbers, epsilon, manner.batch_size, device)
    try:
        for finished in attack.attack(model, stretches, seed=seed, manner=manner):
            yield rows_of(finished, shards.ids)
    except UnfitForAttack as error:
        raise UserError(f"the model in {folder} cannot be attacked: {error}") from error


def _stretches(
    shards: Shards,
    numbers: np.ndarray,
    epsilon: float | None,
    batch_size: int,
    device: torch.device,
) -> Iterator[Images]:
    ladder = torch.tensor([] if epsilon is None else [epsilon], device=device)
    for start in range(0, len(numbers), batch_size):
        chosen = numbers[start : start + batch_size]
        yield Images(
            torch.from_numpy(chosen).to(device),
            to_pixels(torch.from_numpy(shards.read(chosen)).to(device)),
            torch.from_numpy(shards.labels[chosen]).to(device),
            ladder.expand(len(chosen), -1),
        )
