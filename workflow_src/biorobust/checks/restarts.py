"""Does it matter where the attack begins?

Random starts that break more mean that the way from the original is a dead end: a flat or rugged
loss. Source: Carlini et al. 2019, "On Evaluating Adversarial Robustness". Cost: for each iterative
attack, survivors * steps * 5 forward passes and as many backward ones.
"""

from biorobust.attacks.base import ImageAttack
from biorobust.checks.attacking import Ball, descent_like
from biorobust.checks.outdone import rivalry

_RESTARTS = 5


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [descent_like(ball.entry, random_start=True, restarts=_RESTARTS)]


check, honest = rivalry(
    "restarts",
    _rivals,
    by=f"{_RESTARTS} random starts",
    means="the original is a bad place to begin; attack with random_start and restarts",
)
