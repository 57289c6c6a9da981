"""Has the attack had enough steps?

An attack that breaks more with five times the steps had not arrived: the adversarial accuracy is
one of impatience. The steps go as far as the experiment's, and once more a fifth as far each, since
large steps only cross the ball and come back. Source: Carlini et al. 2019, "On Evaluating
Adversarial Robustness" (more steps until nothing changes). Cost: for each iterative attack,
survivors * steps * 10 forward passes and as many backward ones.
"""

from biorobust.attacks.base import ImageAttack
from biorobust.checks.attacking import Ball, descent_like
from biorobust.checks.outdone import rivalry

_FACTOR = 5


def _rivals(ball: Ball) -> list[ImageAttack]:
    steps = _FACTOR * ball.entry.config["steps"]
    shorter = ball.entry.config["relative_step"] / _FACTOR
    return [
        descent_like(ball.entry, steps=steps),
        descent_like(ball.entry, steps=steps, relative_step=shorter),
    ]


check, honest = rivalry(
    "more_steps",
    _rivals,
    by=f"{_FACTOR} times as many steps, as long or a fifth as long",
    means="the attack stops before it arrives; give it more steps, or shorter ones",
)
