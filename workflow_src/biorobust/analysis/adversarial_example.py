"""A test image, an adversarial image made from it, and their difference (the thesis's Figure 4).

What is shown follows from the models and the attack alone: the first test image that all shown
models classify correctly, for each at the smallest epsilon at which the attack breaks it. It is
a picture of what that attack does and not a number, so what checks broke besides is left out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from biorobust.analysis.figure_style import add_note, write_figure
from biorobust.analysis.picture_grid import (
    label_picture_row,
    make_picture_grid,
    show_image,
)
from biorobust.analysis.shown_models import as_pictures, load_shown_models, read_pixels
from biorobust.attacks.base import Manner
from biorobust.attacks.catalogue import build_attack
from biorobust.attacks.engine import Images
from biorobust.attacks.sanity import UnfitForAttack
from biorobust.data.shards import Shards, open_shards
from biorobust.devices import prepare_torch
from biorobust.errors import UserError
from biorobust.jobs import Inputs, Job, Result, files_written
from biorobust.models.base import ImageClassifier


class Example(NamedTuple):
    """One image before and after an attack, [3, N, N], and the logits on both, [classes].

    epsilon: the text of the attack's epsilon.
    """

    clean: Tensor
    adversarial: Tensor
    clean_logits: Tensor
    adversarial_logits: Tensor
    epsilon: str


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: attack one image anew, draw the figure beside the job's record.

    Raises UserError where a model cannot be attacked.
    """
    device = prepare_torch(job.execution)
    models: dict[str, ImageClassifier] = load_shown_models(job, device)
    shards = open_shards(job.inputs["shards"].parent)
    attack = job.plan["config"]["attack"]
    batch_size = job.execution["attack_batch_size"]
    chosen = first_correct(list(models.values()), shards, batch_size, device)
    seeds = dict(name.split(":")[1:] for name in inputs if name.startswith("training:"))
    try:
        examples = {
            name: make_example(
                model, shards, chosen or 0, attack, seed=int(seeds[name]), device=device
            )
            for name, model in models.items()
        }
    except UnfitForAttack as error:
        raise UserError(f"a model of this figure cannot be attacked: {error}") from error
    note = describe(shards, chosen, attack["name"])
    return files_written(
        "figures",
        write_figure(
            lambda: adversarial_example(examples, shards.classes, note),
            job.folder,
            "adversarial_example",
        ),
    )


def make_example(
    model: ImageClassifier,
    shards: Shards,
    position: int,
    attack: dict[str, Any],
    *,
    seed: int,
    device: torch.device,
) -> Example:
    """Attack the image at a position, with the draws that the attack stage has for it.

    attack: its config (kind and options, as for `build_attack`) and epsilons (text and value,
    ascending), which are tried one by one until the image is broken. Raises UnfitForAttack as the
    attack does.
    """
    number = np.array([position], dtype=np.int64)
    image = read_pixels(shards, number, device)
    search = build_attack(**attack["config"])
    for epsilon in attack["epsilons"]:
        victim = Images(
            torch.from_numpy(number).to(device),
            image,
            torch.from_numpy(shards.labels[number]).to(device),
            torch.tensor([[epsilon["value"]]], device=device),
        )
        (found,) = search.attack(model, iter([victim]), seed=seed, manner=Manner(batch_size=1))
        if found.broken.all():
            break
    with torch.inference_mode():
        clean_logits, adversarial_logits = model(torch.cat([image, found.iterates]))
    return Example(image[0], found.iterates[0], clean_logits, adversarial_logits, epsilon["text"])


def describe(shards: Shards, chosen: int | None, attack: str) -> str:
    """What the figure shows, and why; `chosen` is what `first_correct` found."""
    position = chosen or 0
    which = "the first" if chosen is not None else "for want of one"
    return (
        f"test image {shards.ids[position]} ({shards.classes[shards.labels[position]]}), {which} "
        f"that all shown models classify correctly; {attack} at the smallest ε that fools the "
        "model, or at the largest if none does; percentages: softmax confidence; first seed"
    )


def first_correct(
    models: Sequence[ImageClassifier], shards: Shards, batch_size: int, device: torch.device
) -> int | None:
    """Position of the first image that all models classify correctly; None if there is none."""
    for start in range(0, len(shards), batch_size):
        positions = np.arange(start, min(start + batch_size, len(shards)))
        images = read_pixels(shards, positions, device)
        labels = torch.from_numpy(shards.labels[positions]).to(device)
        with torch.inference_mode():
            right = torch.stack([model(images).argmax(1) == labels for model in models]).all(0)
        if right.any():
            return start + int(right.int().argmax())
    return None


def adversarial_example(examples: dict[str, Example], classes: list[str], note: str) -> Figure:
    """The figure: a row a model with the clean image, the adversarial one and their difference.

    Differences are magnified by one factor for all models and stand around a middle grey.
    """
    differences = {name: e.adversarial - e.clean for name, e in examples.items()}
    factor = magnification(max(float(d.abs().max()) for d in differences.values()))
    figure, grid = make_picture_grid(len(examples), 3, title_lines=2)
    for row, (name, example) in zip(grid, examples.items(), strict=True):
        label_picture_row(row, name)
        pictures = {
            f"clean: {verdict(example.clean_logits, classes)}": as_pictures(example.clean),
            f"ε = {example.epsilon}: {verdict(example.adversarial_logits, classes)}": as_pictures(
                example.adversarial
            ),
            f"difference × {factor:g}": as_pictures(0.5 + factor * differences[name]),
        }
        for axes, (title, picture) in zip(row, pictures.items(), strict=True):
            show_image(axes, picture, title)
    add_note(figure, note)
    return figure


def verdict(logits: Tensor, classes: list[str]) -> str:
    """The predicted class and its softmax probability in per cent; logits: [classes]."""
    confidence, prediction = logits.softmax(0).max(0)
    return f"{classes[int(prediction)]} ({100 * float(confidence):.1f}%)"


def magnification(largest: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... that takes `largest`, in (0, 1], no farther than 1/2.

    1 where nothing differs, or differs by more.
    """
    factors = [lead * 10.0**exponent for exponent in range(9) for lead in (1, 2, 5)]
    fitting = [factor for factor in factors if factor * largest <= 0.5]
    return fitting[-1] if largest > 0 and fitting else 1.0
