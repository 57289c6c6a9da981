"""Run again on a few images with every iterate heard, does the attack do what its rows say?

Three faults of an attack, whatever its kind: it hands back an image outside its ball or outside
[0, 1]; the plain model does not confirm its verdict on the image that it hands back; it came upon
an adversarial image inside the ball and calls the image robust all the same, as an attack does
that judges by its last iterate instead of its best ("silent success", Pintor et al. 2022). Every
image goes alone, so that what the model is asked is known to be about it. Honest rows are those of
the attack with each query counted, on all of its survivors. Cost: for each attack
along gradients, at one epsilon, `images` * (2 + steps) forward and `images` * steps backward
passes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import cast

import torch
from torch import Tensor, nn

from biorobust.attacks.base import ImageAttack, Manner, Model
from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.norms import NORMS
from biorobust.checks.attacking import (
    GRADIENT_ATTACKS,
    Ball,
    Listening,
    attacked_alone,
    judged_by,
    outside,
    own_attack,
    telling_balls,
    within,
)
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.honest import worst_case
from biorobust.checks.subject import NotExamined, Subject, examining

NAME = "rerun"


class Overheard(ImageAttack):
    """An attack whose every query counts: it hands back the first that fools the model in its ball.

    Each image goes alone, and comes back as it was where there is no such query.
    """

    def __init__(self, attack: ImageAttack) -> None:
        self._attack = attack
        self.norm = attack.norm

    def attack(
        self, model: Model, stretches: Iterator[Images], *, seed: int, manner: Manner
    ) -> Iterator[Finished]:
        """See `ImageAttack.attack`."""
        alone = replace(manner, batch_size=1)
        for stretch in stretches:
            for row in range(len(stretch.numbers)):
                columns = {
                    field.name: getattr(stretch, field.name)[row : row + 1]
                    for field in fields(Images)
                }
                listening = Listening(cast(nn.Module, model))
                (found,) = self._attack.attack(
                    listening, iter([Images(**columns)]), seed=seed, manner=alone
                )
                with torch.no_grad():
                    listening(found.iterates)
                heard = adversarial_queries(
                    listening, found, self.norm, float(columns["epsilons"][0, 0])
                ).to(found.originals)
                kept = torch.cat([heard, found.originals])[:1]
                yield judged_by(model, replace(found, iterates=kept))


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


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows with every adversarial image that the attack came upon."""
    del thresholds
    return worst_case(subject, lambda ball: [Overheard(own_attack(ball.entry))])


def adversarial_queries(listening: Listening, found: Finished, norm: str, epsilon: float) -> Tensor:
    """What was asked about one image, fooled the model and is in its ball: [m, C, H, W], in order.

    On the CPU. `found` [1] is what the attack handed back.
    """
    asked, answers = torch.cat(listening.asked), torch.cat(listening.answers)
    inside = within(asked, found.originals.cpu(), norm, epsilon)
    return asked[inside & (answers.argmax(1) != found.labels.cpu())]


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
    heard = adversarial_queries(listening, found, ball.entry.norm, ball.epsilon)
    if not found.broken and len(heard):
        return "it came upon an adversarial image and called the image robust"
    return ""
