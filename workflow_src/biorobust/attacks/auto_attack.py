"""AutoAttack's standard ensemble, through the package pyautoattack."""

import pyautoattack
import torch
from torch import Tensor

from biorobust.attacks.base import BudgetAttack, Queried, one_of
from biorobust.errors import UserError

_TARGETS = 9
_LEAST_CLASSES = 4


class AutoAttack(BudgetAttack):
    """AutoAttack (Croce and Hein 2020), standard version, by the authors' code.

    APGD on the cross-entropy, targeted APGD on the DLR loss, targeted FAB and Square, each on
    what the ones before left. `norm`: "linf", "l2" or "rms". `Finished.steps` are the forward
    passes of the block, an upper bound for the images that were broken early.

    Raises ValueError for an unknown norm, and UserError where the model has less than four
    classes, for which the DLR loss is not defined.
    """

    def __init__(self, *, norm: str = "linf") -> None:
        self.norm = one_of("norm", norm, ("linf", "l2", "rms"))

    def perturb(self, model: Queried, images: Tensor, labels: Tensor, radius: float) -> Tensor:
        """See `BudgetAttack.perturb`."""
        with torch.no_grad():
            classes = model(images[:1]).shape[1]
        if classes < _LEAST_CLASSES:
            raise UserError(
                f"attack kind auto_attack needs a model of {_LEAST_CLASSES} classes or more, "
                f"not {classes}; take another attack"
            )
        ensemble = pyautoattack.AutoAttack(
            model,
            norm="Linf" if self.geometry == "linf" else "L2",
            eps=radius,
            seed=int(torch.randint(2**31, ())),
            device=images.device,
        )
        for member in (ensemble.apgd_targeted, ensemble.fab):
            member.n_target_classes = min(_TARGETS, classes - 1)
        found: Tensor = ensemble.run_standard_evaluation(images, labels, batch_size=len(images))[0]
        return found
