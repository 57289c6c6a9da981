"""Does one step ever beat many?

The fast gradient sign method breaking what PGD could not means that PGD goes astray: a gradient
that points nowhere after the first step, or a step that is too large or too small. Source: Carlini
et al. 2019, "On Evaluating Adversarial Robustness"; Athalye et al. 2018. Cost: for each iterative
attack, `images` * 3 forward passes and as many backward ones at most.
"""

from biorobust.attacks.base import ImageAttack
from biorobust.attacks.iterative import FastGradientSign
from biorobust.checks.attacking import Ball
from biorobust.checks.outdone import rivalry


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [FastGradientSign(norm=ball.entry.norm)]


check, honest = rivalry(
    "single_step",
    _rivals,
    by="a single step",
    means="an attack of many steps that loses to one is led astray; try other step sizes, "
    "random starts and an attack without gradients",
)
