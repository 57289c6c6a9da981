"""Images that one attack missed although another one broke them inside the same ball.

A perturbation that was found is proof: whoever reports its image as robust in a ball that holds
it is wrong, whatever attack found it. Sizes are those of the rows, so a perturbation counts in
every norm. Costs no pass of the model.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding, finding_of, skipped
from biorobust.checks.recorded import AttackEntry, AttackRows, Booleans, Recorded

Method = Literal["noise", "black box", "single step", "many steps"]
Rival = Callable[[AttackEntry, AttackEntry], bool]

_METHODS: dict[str, Method] = {
    "additive_uniform_noise": "noise",
    "salt_and_pepper": "noise",
    "gaussian_blur": "noise",
    "contrast_reduction": "noise",
    "square": "black box",
    "boundary": "black box",
    "hop_skip_jump": "black box",
    "single_pixel": "black box",
    "local_search": "black box",
    "fgsm": "single step",
}
# Norms in which a ball can be told from the sizes in the rows.
_SIZES = ("linf", "l2", "rms")


def method_of(attack: AttackEntry) -> Method:
    """How an attack searches; what follows gradients in several steps has the strongest means."""
    if attack.config.get("steps") == 1:
        return "single step"
    return _METHODS.get(attack.kind, "many steps")


def inside(rows: AttackRows, norm: str, epsilon: float) -> Booleans:
    """Which perturbations [n] lie in the ball, up to the rounding of float32."""
    return np.asarray(getattr(rows, norm) <= epsilon * (1 + 1e-5) + 1e-7)


@dataclass(frozen=True)
class Miss:
    """Images [n] that `attack` left standing at `epsilon`, and one of the others broke.

    `rows` are the attack's own, with those of whoever broke the image put in their places;
    `rivals` are the names of the attacks that did.
    """

    attack: AttackEntry
    epsilon: str
    images: Booleans
    rows: AttackRows
    rivals: tuple[str, ...]


def misses(recorded: Recorded, rival: Rival) -> list[Miss]:
    """For each ball of an attack by many steps, what it missed and its rivals broke inside.

    `rival(attack, other)` tells whose successes count. What the attack itself broke in a smaller
    ball is not missed. Balls of attacks without any rival are left out.
    """
    found = []
    for attack, epsilon, size in _balls(recorded):
        every = (*recorded.attacks, *recorded.rivals)
        others = [other for other in every if rival(attack, other)]
        if not others:
            continue
        rows = recorded.rows[attack.name, epsilon]
        standing = rows.attacked & ~_closed(recorded, attack, size)
        images = np.zeros_like(standing)
        rivals = []
        for other in others:
            for text, _ in other.epsilons:
                witness = recorded.rows[other.name, text]
                broken = standing & ~images & witness.success & inside(witness, attack.norm, size)
                if broken.any():
                    images, rows = images | broken, _replaced(rows, broken, witness)
                    rivals.append(other.name)
        found.append(Miss(attack, epsilon, images, rows, tuple(dict.fromkeys(rivals))))
    return found


def _balls(recorded: Recorded) -> Iterator[tuple[AttackEntry, str, float]]:
    for attack in recorded.attacks:
        if method_of(attack) == "many steps" and attack.norm in _SIZES:
            for text, value in attack.epsilons:
                if value is not None:
                    yield attack, text, value


def _closed(recorded: Recorded, attack: AttackEntry, size: float) -> Booleans:
    smaller = [text for text, value in attack.epsilons if value is not None and value <= size]
    return np.asarray(
        np.any([recorded.rows[attack.name, text].success for text in smaller], axis=0)
    )


def _replaced(rows: AttackRows, chosen: Booleans, others: AttackRows) -> AttackRows:
    return AttackRows(
        **{
            field.name: np.where(chosen, getattr(others, field.name), getattr(rows, field.name))
            for field in fields(AttackRows)
        }
    )


def finding_of_misses(
    check: str, recorded: Recorded, found: list[Miss], thresholds: Mapping[str, float]
) -> Finding:
    """The finding on a list of misses: the figure is the largest share of test images missed."""
    if not found:
        return skipped(check, "The experiment has no two attacks that this compares.")
    worst = max(found, key=lambda miss: int(miss.images.sum()))
    missed, total = int(worst.images.sum()), len(recorded.ids)
    says = f"No image that {worst.attack.name} left standing was broken by a rival in its ball"
    if missed:
        says = (
            f"At epsilon {worst.epsilon}, {worst.attack.name} missed {missed} of {total} images "
            f"that {' and '.join(worst.rivals)} broke inside the same ball"
        )
    return finding_of(
        check,
        missed / total,
        thresholds,
        says=says,
        means="its number is too kind; the table's has these images in it",
        images=recorded.named(worst.images),
    )


def corrections_of(found: list[Miss], thresholds: Mapping[str, float]) -> list[Correction]:
    """Rows for the balls in which more was missed than the check lets pass."""
    return [
        Correction(miss.attack.name, miss.epsilon, miss.rows)
        for miss in found
        if miss.images.mean() > thresholds["warn"]
    ]
