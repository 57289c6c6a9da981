"""Does it matter where the attack begins?

Random starts that break more mean that the way from the original is a dead end: a flat or rugged
loss. Source: Carlini et al. 2019, "On Evaluating Adversarial Robustness". Cost: for each iterative
attack, survivors * steps * 5 forward passes and as many backward ones.
"""

from collections.abc import Mapping

from biorobust.attacks.base import ImageAttack
from biorobust.checks.attacking import Ball, descent_like
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.honest import worst_case
from biorobust.checks.outdone import outdone
from biorobust.checks.subject import Subject, examining

NAME = "restarts"

_RESTARTS = 5


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to five random starts.

    `thresholds`: warn, fail.
    """
    return outdone(
        NAME,
        subject,
        thresholds,
        _rivals,
        by=f"{_RESTARTS} random starts",
        means="the original is a bad place to begin; attack with random_start and restarts",
    )


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows that random starts give."""
    del thresholds
    return worst_case(subject, _rivals)


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [descent_like(ball.entry, random_start=True, restarts=_RESTARTS)]
