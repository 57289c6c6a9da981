"""Does an attack without gradients break what the one with gradients could not?

Square asks only for scores, so it walks through a masked gradient. An attack that sees the
gradient as well must not lose to it. Source: AutoAttack's checks (Croce and Hein 2020);
Andriushchenko et al. 2020. Cost: for each iterative attack, survivors * `queries` forward passes.
"""

from biorobust.attacks.base import ImageAttack
from biorobust.attacks.square import Square
from biorobust.checks.attacking import Ball
from biorobust.checks.outdone import rivalry

_QUERIES = 1000


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [Square(norm=ball.entry.norm, queries=_QUERIES)]


check, honest = rivalry(
    "black_box",
    _rivals,
    by=f"{_QUERIES} queries of Square",
    means="an attack that sees less breaks more, so the gradient is masked",
)
