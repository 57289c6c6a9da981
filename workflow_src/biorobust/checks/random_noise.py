"""Does noise alone break what the attack could not?

Uniform noise in the ball knows nothing of the model. If it finds an error that the gradient did
not lead to, the gradient leads nowhere. Source: Carlini et al. 2019, "On Evaluating Adversarial
Robustness". Cost: for each iterative attack, `images` (or every survivor) * `draws` forward passes.
"""

from collections.abc import Mapping

from biorobust.attacks.noise import AdditiveUniformNoise
from biorobust.checks.attacking import DESCENTS
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.honest import worst_case
from biorobust.checks.outdone import Rivals, outdone
from biorobust.checks.subject import Subject, examining

NAME = "random_noise"


@examining(NAME, DESCENTS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to noise.

    `thresholds`: warn, fail, draws and, for a sample, images.
    """
    return outdone(
        NAME,
        subject,
        thresholds,
        _noise(thresholds),
        by=f"{thresholds['draws']:.0f} draws of noise",
        means="an attack that loses to chance does not see the model; its gradient is masked",
    )


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows that as many draws of noise give, where gradients fail."""
    return worst_case(subject, _noise(thresholds))


def _noise(thresholds: Mapping[str, float]) -> Rivals:
    draws = int(thresholds["draws"])
    return lambda ball: [AdditiveUniformNoise(norm=ball.entry.norm, repeats=draws)]
