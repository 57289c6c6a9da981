"""Does an attack without bounds break everything?

With L-infinity 0.5 every image can become plain grey, which looks the same whatever it was: a
model that still knows the class of more than chance would have it from nowhere. Who survives shows
that the attack does not work on this model; honest rows are then those of an attack that needs no
gradient. Source: Carlini et al. 2019, "On Evaluating Adversarial
Robustness"; Athalye et al. 2018. Cost: `images` (or all) * `steps` forward passes and as many
backward ones at most, a few where it works.
"""

import math
from collections.abc import Mapping

from biorobust.attacks.iterative import ProjectedGradientDescent
from biorobust.checks import black_box
from biorobust.checks.attacking import attacked
from biorobust.checks.findings import Finding
from biorobust.checks.shares import share_of_images
from biorobust.checks.subject import Subject, examining

NAME = "unbounded"

honest = black_box.honest

_EPSILON = 0.5


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of correctly classified images that survive.

    `thresholds`: warn, fail, steps and, for a sample, images.
    """
    steps = int(thresholds["steps"])
    numbers = subject.classified(thresholds.get("images", math.inf))
    attack = ProjectedGradientDescent(norm="linf", steps=steps)
    survived = ~attacked(subject, attack, numbers, _EPSILON).broken
    return share_of_images(
        NAME,
        subject,
        thresholds,
        numbers,
        survived,
        says=f"{{}} of {{}} images survived {steps} steps in a ball that holds plain grey",
        means="what survives this survives because the attack fails, not because the model is "
        "robust",
    )
