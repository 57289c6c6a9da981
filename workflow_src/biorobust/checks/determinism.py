"""Does the model say the same of the same image each time?

Noise or random gazes at evaluation make every verdict a draw: an attack fails by bad luck, and a
gradient is that of one draw. Compared are repeated passes of the same images. Source: the checks
of AutoAttack (Croce and Hein 2020) and RobustBench's rule of a deterministic forward pass. Cost:
`images` * `repeats` forward passes.
"""

from collections.abc import Mapping

import torch

from biorobust.checks import expectation
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.subject import Subject, examining

NAME = "determinism"

honest = expectation.honest


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the farthest that a logit moves, as a share of its image's spread of logits.

    `thresholds`: warn, fail, images, repeats.
    """
    numbers = subject.chosen(thresholds["images"])
    images = subject.images[numbers]
    passes = [subject.logits(images) for _ in range(int(thresholds["repeats"]))]
    moved = movement(passes)
    return finding_of(
        NAME,
        float(moved.amax()),
        thresholds,
        says=f"Asked {len(passes)} times, the model moved its logits by at most "
        f"{float(moved.amax()):.2g} of their spread",
        means="it draws random numbers, so verdicts are draws too; attack the mean over draws "
        "(expectation over transformation)",
        images=subject.ids_of(numbers[moved > thresholds["warn"]]),
    )


def movement(passes: list[torch.Tensor]) -> torch.Tensor:
    """How far logits [m, classes] move between passes, as a share of their spread: [m].

    The spread is the largest logit minus the smallest, in the first pass.
    """
    stacked = torch.stack(passes)
    spread = (passes[0].amax(1) - passes[0].amin(1)).clamp(min=torch.finfo(torch.float32).tiny)
    moved: torch.Tensor = (stacked - stacked[0]).abs().amax((0, 2)) / spread
    return moved
