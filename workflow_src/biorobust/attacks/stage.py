"""The attack stage: one trained model, one attack, at most one epsilon, every test image.

In: `training.json` with its weights, and the test shards. Out: `eps-<e>.csv`, one row an image in
the order of the index, and `eps-<e>.json`; `minimal.csv` and `minimal.json` of an attack that
searches for the smallest perturbation.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from biorobust.attacks.catalogue import build_attack
from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.norms import NORMS
from biorobust.data.batches import to_pixels
from biorobust.data.shards import Shards, open_shards
from biorobust.devices import prepare_torch
from biorobust.errors import UserError
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result
from biorobust.models.registry import load_model
from biorobust.progress import Progress

COLUMNS = (
    "image",
    "label",
    "clean_prediction",
    "adversarial_prediction",
    "success",
    "steps",
    "loss",
    "linf",
    "l2",
    "rms",
)


def run(job: Job, inputs: Inputs) -> Result:
    """Attack every test image once. Config: the attack's kind and options, epsilon and seed.

    In the rows, `steps` are those of the descent for FGSM, BIM and PGD, and for every other kind
    the forward passes of the search that the image took part in. An image that an attack without
    epsilon could not break comes back unchanged: no success, size 0.

    Success is decided in float32 on the plain model, whose weights take no gradients. Raises
    UserError where the model's logits are not finite, since no verdict on them means anything.
    """
    del inputs
    device = prepare_torch(job.execution)
    options = dict(job.plan["config"])
    epsilon, seed = options.pop("epsilon"), options.pop("seed")
    attack = build_attack(**options)
    shards = open_shards(job.inputs["shards"].parent)
    model = load_model(job.inputs["training"].parent, device=str(device))
    batch_size = job.execution["attack_batch_size"]
    stretches = _stretches(shards, epsilon, batch_size, device)
    rows: dict[int, str] = {}
    progress = Progress(f"{job.record.stem} images", len(shards), job.say)
    broken = 0
    for finished in attack.attack(model, stretches, batch_size=batch_size, seed=seed):
        if not finished.losses.isfinite().all():
            raise UserError(
                f"the model in {job.inputs['training'].parent} gives logits that are not finite; "
                "train it again, with a lower learning rate"
            )
        for number, row in _rows(finished, shards.ids):
            rows[number] = row
        broken += int(finished.broken.sum())
        progress.update(len(rows), f"{broken} broken")
    lines = [",".join(COLUMNS), *(rows[number] for number in range(len(shards)))]
    path = job.record.with_suffix(".csv")
    outputs = {path.name: write_text(path, "\n".join(lines) + "\n")}
    measured = {"images": len(shards), "device": device.type}
    return Result({"attack": outputs}, {"attack": {}}, measured)


def _stretches(
    shards: Shards, epsilon: float | None, batch_size: int, device: torch.device
) -> Iterator[Images]:
    ladder = torch.tensor([] if epsilon is None else [epsilon], device=device)
    for start in range(0, len(shards), batch_size):
        numbers = np.arange(start, min(start + batch_size, len(shards)))
        yield Images(
            torch.from_numpy(numbers).to(device),
            to_pixels(torch.from_numpy(shards.read(numbers)).to(device)),
            torch.from_numpy(shards.labels[numbers]).to(device),
            ladder.expand(len(numbers), -1),
        )


def _rows(finished: Finished, ids: list[str]) -> Iterator[tuple[int, str]]:
    perturbations = (finished.iterates.double() - finished.originals.double()).cpu()
    sizes = {name: norm.size(perturbations).tolist() for name, norm in NORMS.items()}
    columns: dict[str, list[Any]] = {
        "label": finished.labels.tolist(),
        "clean_prediction": finished.clean_predictions.tolist(),
        "adversarial_prediction": finished.predictions.tolist(),
        "success": [int(value) for value in finished.broken.tolist()],
        "steps": finished.steps.tolist(),
        "loss": finished.losses.tolist(),
        **sizes,
    }
    for place, number in enumerate(finished.numbers.tolist()):
        values = [_quoted(ids[number]), *(columns[name][place] for name in COLUMNS[1:])]
        yield number, ",".join(v if isinstance(v, str) else repr(v) for v in values)


def _quoted(text: str) -> str:
    """An image id as a CSV field; ids are file names, which may hold commas and quotes."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text
