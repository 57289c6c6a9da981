"""Does another loss break more?

The worst case over losses counts: each survivor is attacked by the margin of the logits, then by
APGD on the difference-of-logits ratio, which no scale of the logits can flatten. Source: Carlini
et al. 2019 (the worst over all attacks, image by image); Croce and Hein 2020 (APGD, DLR). Cost: for
each iterative attack, survivors * (steps + 100) passes both ways.
"""

import pyautoattack
import torch
from torch import Tensor

from biorobust.attacks.base import BudgetAttack, ImageAttack, Queried
from biorobust.checks.attacking import Ball, descent_like
from biorobust.checks.outdone import rivalry

# The ratio divides by the distance between the first and the third logit.
_LEAST_CLASSES = 3


class DlrDescent(BudgetAttack):
    """APGD on the DLR loss (Croce and Hein 2020) by the authors' code, 100 steps.

    Where there are less than three classes, for which the loss is not defined, nothing is found.
    """

    def __init__(self, *, norm: str) -> None:
        self.norm = norm

    def perturb(self, model: Queried, images: Tensor, labels: Tensor, radius: float) -> Tensor:
        """See `BudgetAttack.perturb`."""
        with torch.no_grad():
            classes = model(images[:1], torch.zeros(1, dtype=torch.int64)).shape[1]
        if classes < _LEAST_CLASSES:
            return images
        apgd = pyautoattack.AutoAttack(
            model,
            norm="Linf" if self.geometry == "linf" else "L2",
            eps=radius,
            seed=int(torch.randint(2**31, ())),
            device=images.device,
            attacks=["apgd-dlr"],
            version="custom",
        )
        apgd.apgd.n_restarts = 1
        found: Tensor = apgd.run_standard_evaluation(images, labels, batch_size=len(images))[0]
        return found


def _rivals(ball: Ball) -> list[ImageAttack]:
    return [descent_like(ball.entry, loss="margin"), DlrDescent(norm=ball.entry.norm)]


check, honest = rivalry(
    "other_losses",
    _rivals,
    by="the margin loss or APGD on the DLR loss",
    means="the experiment's loss misleads its attack; the worst case over losses is honest",
)
