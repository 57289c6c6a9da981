"""Had the attack's loss stopped rising when its steps ran out?

For each survivor, the best margin so far is followed over the iterates, and what its last steps
still gained is taken as a share of all that it gained. An attack that is still on its way needs
more steps. Source: Pintor et al. 2022, "Indicators of Attack Failure" (non-converging attack).
Honest rows are those of more steps.
Cost: for each iterative attack, `images` * (1 + steps) forward passes and `images` * steps
backward.
"""

from collections.abc import Mapping

import torch

from biorobust.attacks.losses import margin
from biorobust.checks import more_steps
from biorobust.checks.alone import share_of_flaws
from biorobust.checks.attacking import (
    DESCENTS,
    NO_SURVIVORS,
    Ball,
    attacked_alone,
    own_attack,
)
from biorobust.checks.findings import Finding
from biorobust.checks.subject import Subject, examining

NAME = "loss_plateau"

honest = more_steps.honest

# Published for the last 10 steps of hundreds; of an attack with as few as 20, those are half, on
# which even a sound one is on its way. So it is the last quarter.
_SHARE = 0.05


@examining(NAME, DESCENTS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of survivors whose last quarter of the steps made more than a
    twentieth of the whole gain.

    `thresholds`: warn, fail, images.
    """

    def rising(ball: Ball, number: int) -> bool:
        _, listening = attacked_alone(subject, own_attack(ball.entry), number, ball.epsilon)
        answers = torch.cat(listening.answers)
        gain = late_gain(margin(answers, subject.labels[number].expand(len(answers))))
        return gain > _SHARE

    return share_of_flaws(
        NAME,
        subject,
        thresholds,
        lambda ball: subject.chosen(thresholds["images"], ball.rows.survived),
        rising,
        none=NO_SURVIVORS,
        says="On {} of {} survivors the loss was still rising at the end",
        means="the attack had not arrived; give it more steps",
    )


def late_gain(losses: torch.Tensor) -> float:
    """What the last quarter of the iterates added to the best loss [iterates], as a share of what
    all of them did; 0 where nothing was gained at all.
    """
    best = losses.double().cummax(0).values
    gained = float(best[-1] - best[0])
    late = float(best[-1] - best[-1 - len(best) // 4])
    return late / gained if gained > 0 else 0.0
