"""Does one step ever beat many?

The fast gradient sign method breaking what PGD could not means that PGD goes astray: a gradient
that points nowhere after the first step, or a step that is too large or too small. Source: Carlini
et al. 2019, "On Evaluating Adversarial Robustness"; Athalye et al. 2018. Cost: for each iterative
attack, `images` * 3 forward passes and as many backward ones at most.
"""

from collections.abc import Mapping

from biorobust.attacks.base import ImageAttack
from biorobust.attacks.catalogue import build_attack
from biorobust.checks.attacking import Ball
from biorobust.checks.findings import Finding
from biorobust.checks.outdone import outdone
from biorobust.checks.subject import Subject, examining

NAME = "single_step"


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to a single step.

    `thresholds`: warn, fail, images.
    """
    return outdone(
        NAME,
        subject,
        thresholds,
        _rivals,
        by="a single step",
        means="an attack of many steps that loses to one is led astray; try other step sizes, "
        "random starts and an attack without gradients",
    )


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [build_attack("fgsm", norm=ball.entry.norm)]
