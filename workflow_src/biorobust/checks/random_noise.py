"""Does noise alone break what the attack could not?

Uniform noise in the ball knows nothing of the model. If it finds an error that the gradient did
not lead to, the gradient leads nowhere. Source: Carlini et al. 2019, "On Evaluating Adversarial
Robustness". Cost: for each iterative attack, `images` (or every survivor) * `draws` forward passes.
"""

from collections.abc import Mapping

from biorobust.attacks.catalogue import build_attack
from biorobust.checks.findings import Finding
from biorobust.checks.outdone import outdone
from biorobust.checks.subject import Subject, examining

NAME = "random_noise"


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to noise.

    `thresholds`: warn, fail, draws and, for a sample, images.
    """
    draws = int(thresholds["draws"])
    return outdone(
        NAME,
        subject,
        thresholds,
        lambda ball: [build_attack("additive_uniform_noise", norm=ball.entry.norm, repeats=draws)],
        by=f"{draws} draws of noise",
        means="an attack that loses to chance does not see the model; its gradient is masked",
    )
