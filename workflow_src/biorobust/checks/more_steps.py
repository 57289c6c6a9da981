"""Has the attack had enough steps?

An attack that breaks more with `factor` times the steps had not arrived: the adversarial accuracy
is one of impatience. Source: Carlini et al. 2019, "On Evaluating Adversarial Robustness" (double
the steps until nothing changes). Cost: for each iterative attack, survivors * steps * `factor`
forward passes and as many backward ones.
"""

from collections.abc import Mapping

from biorobust.attacks.base import ImageAttack
from biorobust.checks.attacking import Ball, descent_like
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.honest import worst_case
from biorobust.checks.outdone import outdone
from biorobust.checks.subject import Subject, examining

NAME = "more_steps"

_FACTOR = 5


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to more steps.

    `thresholds`: warn, fail.
    """
    return outdone(
        NAME,
        subject,
        thresholds,
        _rivals,
        by=f"{_FACTOR} times as many steps",
        means="the attack stops before it arrives; give it more steps",
    )


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows that more steps give."""
    del thresholds
    return worst_case(subject, _rivals)


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [descent_like(ball.entry, steps=_FACTOR * ball.entry.config["steps"])]
