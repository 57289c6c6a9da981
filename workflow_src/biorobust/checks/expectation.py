"""Does a model that draws random numbers survive an attack on its mean?

With noise or random gazes at evaluation, the gradient of one draw is a poor guide, and an image may
survive by a lucky draw. The attack on the mean of `DRAWS` passes, judged by the mean, is the honest
one. For a deterministic model it is the same attack, and nothing is done. Source: Athalye et al.
2018 (expectation over transformation). Cost: two passes of two images; for a random model besides,
for each iterative attack, survivors * steps * `DRAWS` passes forward and backward.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from biorobust.attacks.base import ImageAttack, Manner, Model
from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.pgd import PGD
from biorobust.checks.attacking import DESCENTS, Ball, descent_options
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.honest import worst_case
from biorobust.checks.outdone import outdone
from biorobust.checks.subject import NotExamined, Subject, examining

NAME = "expectation"

DRAWS = 10


class AveragedDescent(ImageAttack):
    """PGD on the mean logits of `DRAWS` passes; the options are those of `PGD`."""

    def __init__(self, **options: Any) -> None:
        self._pgd = PGD(**options, expectation=DRAWS)

    def attack(
        self, model: Model, stretches: Iterator[Images], *, seed: int, manner: Manner
    ) -> Iterator[Finished]:
        """See `ImageAttack.attack`, but that the model need not be deterministic."""
        return self._pgd.stream(
            model, stretches, batch_size=manner.batch_size, seed=seed, say=manner.say
        )


@examining(NAME, DESCENTS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to the attack on the mean.

    `thresholds`: warn, fail.
    """
    images = subject.images[subject.chosen(2)]
    if torch.equal(subject.logits(images), subject.logits(images)):
        raise NotExamined("The model draws no random numbers.")
    return outdone(
        NAME,
        subject,
        thresholds,
        _rivals,
        by=f"an attack on the mean of {DRAWS} draws",
        means="the model looks robust because it draws random numbers; the honest number is that "
        "of the attack on the mean",
    )


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows that the attack on the mean gives."""
    del thresholds
    return worst_case(subject, _rivals)


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [AveragedDescent(**descent_options(ball.entry))]
