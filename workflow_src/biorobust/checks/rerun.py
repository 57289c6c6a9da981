"""Run again on a few images with every iterate heard, does the attack do what its rows say?

Three faults of an attack, whatever its kind: it hands back an image outside its ball or outside
[0, 1]; the plain model does not confirm its verdict on the image that it hands back; it came upon
an adversarial image inside the ball and calls the image robust all the same, as an attack does
that judges by its last iterate instead of its best ("silent success", Pintor et al. 2022). Every
image goes alone, so that what the model is asked is known to be about it. Cost: for each attack
along gradients, at one epsilon, `images` * (2 + steps) forward and `images` * steps backward
passes.
"""

from collections.abc import Mapping

import torch

from biorobust.attacks.norms import NORMS
from biorobust.checks.attacking import (
    GRADIENT_ATTACKS,
    Ball,
    attacked_alone,
    outside,
    own_attack,
    telling_balls,
    within,
)
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.subject import NotExamined, Subject, examining

NAME = "rerun"


@examining(NAME, GRADIENT_ATTACKS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of images with any of the faults. Survivors are taken first.

    `thresholds`: warn, fail, images.
    """
    faults: dict[int, str] = {}
    tried = 0
    for ball in telling_balls(subject.recorded, GRADIENT_ATTACKS):
        for number in _numbers(subject, ball, thresholds["images"]):
            tried += 1
            if fault := _fault(subject, ball, number):
                faults.setdefault(number, f"{ball}: {fault}")
    if not tried:
        raise NotExamined("No image was attacked: the model classifies none correctly.")
    says = f"Of {tried} images that were attacked again, {len(faults)} contradict their attack"
    if faults:
        says += f" ({next(iter(faults.values()))})"
    return finding_of(
        NAME,
        len(faults) / tried,
        thresholds,
        says=says,
        means="the attack's verdicts are not to be believed, whatever the model",
        images=subject.ids_of(faults),
    )


def _numbers(subject: Subject, ball: Ball, count: float) -> list[int]:
    """Survivors, for only they may be silent successes, but a quarter that the attack broke."""
    survivors = subject.chosen(count - count // 4, ball.rows.survived)
    broken = subject.chosen(count - len(survivors), ball.rows.success)
    numbers: list[int] = torch.cat([survivors, broken]).tolist()
    return numbers


def _fault(subject: Subject, ball: Ball, number: int) -> str:
    """What is wrong with the attack on one image, in a few words; "" where nothing is."""
    found, listening = attacked_alone(subject, own_attack(ball.entry), number, ball.epsilon)
    label = int(subject.labels[number])
    if outside(found, ball.entry.norm, ball.epsilon).any():
        size = float(NORMS[ball.entry.norm].size(found.iterates.double() - found.originals)[0])
        return f"it left the ball or the range of pixels, with a size of {size:.3g}"
    confirmed = int(subject.logits(found.iterates).argmax(1)) != label
    if bool(found.broken) != confirmed:
        return "the model itself does not confirm the verdict on the image handed back"
    asked, answers = torch.cat(listening.asked), torch.cat(listening.answers)
    inside = within(asked, found.originals, ball.entry.norm, ball.epsilon)
    if not found.broken and (inside & (answers.argmax(1) != label)).any():
        return "it came upon an adversarial image and called the image robust"
    return ""
