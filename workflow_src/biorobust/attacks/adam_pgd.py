"""Projected gradient descent with Adam's steps."""

from collections.abc import Callable
from typing import Any

import eagerpy as ep
import torch
from foolbox.attacks import L2AdamPGD, LinfAdamPGD
from torch import Tensor

from biorobust.attacks.base import BudgetAttack, Queried, at_least, one_of
from biorobust.attacks.through_foolbox import run_under_budget


class AdamPgd(BudgetAttack):
    """PGD whose normalised gradients go through Adam (Kingma and Ba 2015), as in Foolbox.

    It starts at the original. An image is broken by its first misclassified iterate.

    `norm`: "linf", "l2" or "rms". `relative_step`: Adam's step size as a share of epsilon; its
    default and that of `steps` are Foolbox's.

    Raises ValueError for an unknown norm or steps below 1.
    """

    def __init__(
        self, *, norm: str = "linf", steps: int = 40, relative_step: float = 1 / 30
    ) -> None:
        self.norm = one_of("norm", norm, ("linf", "l2", "rms"))
        self._steps = at_least("steps", steps)
        self._relative_step = relative_step

    def perturb(self, model: Queried, images: Tensor, labels: Tensor, radius: float) -> Tensor:
        """See `BudgetAttack.perturb`."""
        kind = _Linf if self.geometry == "linf" else _L2
        attack: _Linf | _L2 = kind(
            rel_stepsize=self._relative_step, steps=self._steps, random_start=False
        )
        last = run_under_budget(attack, model, images, labels, radius)
        return torch.where(attack.broken[:, None, None, None], attack.first, last)


class _Remembering:
    """Keeps the first misclassified iterate of each image; Foolbox returns the last iterate."""

    first: Tensor
    broken: Tensor

    def get_loss_fn(self, model: Any, labels: ep.Tensor) -> Callable[[ep.Tensor], ep.Tensor]:
        """Foolbox's hook: the loss, in whose forward pass the verdict is for free."""

        def loss(inputs: ep.Tensor) -> ep.Tensor:
            logits = model(inputs)
            images, wrong = inputs.raw.detach(), logits.raw.argmax(1) != labels.raw
            if not hasattr(self, "first"):
                self.first, self.broken = images.clone(), torch.zeros_like(wrong)
            new = wrong & ~self.broken
            self.first[new], self.broken = images[new], self.broken | wrong
            total: ep.Tensor = ep.crossentropy(logits, labels).sum()
            return total

        return loss


class _Linf(_Remembering, LinfAdamPGD):
    pass


class _L2(_Remembering, L2AdamPGD):
    pass
