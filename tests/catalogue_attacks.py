"""Every kind of attack in a size for toys, and streams of images to attack."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.attacks import build_attack
from biorobust.attacks.base import ImageAttack, Manner
from biorobust.attacks.engine import Finished, Images

SIZES: dict[str, dict[str, Any]] = {
    "adam_pgd": {},
    "additive_uniform_noise": {"repeats": 20},
    "auto_attack": {},
    "bim": {},
    "boundary": {"steps": 200},
    "carlini_wagner": {"steps": 100, "binary_search_steps": 5},
    "contrast_reduction": {"steps": 100},
    "ddn": {},
    "deepfool": {},
    "fgsm": {},
    "fmn": {},
    "gaussian_blur": {"steps": 50},
    "hop_skip_jump": {"steps": 3},
    "local_search": {"rounds": 20},
    "pgd": {"random_start": True},
    "salt_and_pepper": {"steps": 100},
    "single_pixel": {},
    "square": {"queries": 200},
}
# What is drawn for a block decides the iterates of these.
RANDOM = [
    *("additive_uniform_noise", "boundary", "hop_skip_jump", "local_search", "pgd"),
    *("salt_and_pepper", "single_pixel", "square"),
]
LARGE = {"linf": 0.1, "l2": 1.0, "rms": 0.08}
"""Epsilons at which the toys break."""


def toy_sized(kind: str, **options: Any) -> ImageAttack:
    return build_attack(kind, **{**SIZES[kind], **options})


def attacked(
    attack: ImageAttack,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float | None = None,
    batch: int = 50,
    seed: int = 3,
    first: int = 0,
) -> Finished:
    """What an attack makes of the images, in their order; the first one has the number `first`."""
    if epsilon is None:
        epsilon = LARGE[attack.norm] if not attack.minimal else 0.0
    ladder = torch.full((len(images), 0 if attack.minimal else 1), epsilon)

    def stretches() -> Iterator[Images]:
        for start in range(0, len(images), batch):
            here = slice(start, start + batch)
            numbers = torch.arange(first, first + len(images))[here]
            yield Images(numbers, images[here], labels[here], ladder[here])

    return joined(list(attack.attack(model, stretches(), seed=seed, manner=Manner(batch))))


def joined(parts: list[Finished]) -> Finished:
    whole = {f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Finished)}
    order = whole["numbers"].argsort()
    return Finished(**{name: values[order] for name, values in whole.items()})
