"""Does an attack without gradients break what the one with gradients could not?

Square asks only for scores, so it walks through a masked gradient. An attack that sees the
gradient as well must not lose to it. Source: AutoAttack's checks (Croce and Hein 2020);
Andriushchenko et al. 2020. Cost: for each iterative attack, survivors * `queries` forward passes.
"""

from collections.abc import Mapping

from biorobust.attacks.base import ImageAttack
from biorobust.attacks.square import Square
from biorobust.checks.attacking import Ball
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.honest import made_once, worst_case
from biorobust.checks.outdone import outdone
from biorobust.checks.subject import Subject, examining

NAME = "black_box"

_QUERIES = 1000


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to Square. `thresholds`: warn, fail."""
    return outdone(
        NAME,
        subject,
        thresholds,
        _rivals,
        by=f"{_QUERIES} queries of Square",
        means="an attack that sees less breaks more, so the gradient is masked",
    )


@made_once
def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows that Square gives, where gradients fail."""
    del thresholds
    return worst_case(subject, _rivals)


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [Square(norm=ball.entry.norm, queries=_QUERIES)]
