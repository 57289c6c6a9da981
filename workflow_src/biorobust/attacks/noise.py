"""Attacks by noise alone: they see no more of the model than its decision."""

from foolbox.attacks import (
    L2ClippingAwareRepeatedAdditiveUniformNoiseAttack,
    LinfRepeatedAdditiveUniformNoiseAttack,
    SaltAndPepperNoiseAttack,
)
from torch import Tensor

from biorobust.attacks.base import BudgetAttack, MinimalAttack, Queried, at_least, one_of
from biorobust.attacks.through_foolbox import run_minimal, run_under_budget


class AdditiveUniformNoise(BudgetAttack):
    """Uniform noise of size epsilon, drawn anew until the image is broken (thesis §2.2).

    `norm`: "linf", "l2" or "rms"; in the last two the size counts after clipping to [0, 1].
    `repeats`: draws at most.

    Raises ValueError for an unknown norm or repeats below 1.
    """

    def __init__(self, *, norm: str = "linf", repeats: int = 100) -> None:
        self.norm = one_of("norm", norm, ("linf", "l2", "rms"))
        self._repeats = at_least("repeats", repeats)

    def perturb(self, model: Queried, images: Tensor, labels: Tensor, radius: float) -> Tensor:
        """See `BudgetAttack.perturb`."""
        attack = (
            LinfRepeatedAdditiveUniformNoiseAttack
            if self.geometry == "linf"
            else L2ClippingAwareRepeatedAdditiveUniformNoiseAttack
        )
        return run_under_budget(attack(repeats=self._repeats), model, images, labels, radius)


class SaltAndPepper(MinimalAttack):
    """More and more pixels turned black or white, until the image is broken (thesis §2.2).

    `steps`: amounts of noise that are tried; where one breaks the image, smaller ones are tried
    in the steps that are left. The norm that is made small is L2.

    Raises ValueError for steps below 1.
    """

    norm = "l2"

    def __init__(self, *, steps: int = 1000) -> None:
        self._attack = SaltAndPepperNoiseAttack(steps=at_least("steps", steps), channel_axis=1)

    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        return run_minimal(self._attack, model, images, labels)
