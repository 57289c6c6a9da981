"""Carlini and Wagner's L2 attack."""

from foolbox.attacks import L2CarliniWagnerAttack
from torch import Tensor

from biorobust.attacks.base import MinimalAttack, Queried, at_least
from biorobust.attacks.through_foolbox import run_minimal


class CarliniWagner(MinimalAttack):
    """The L2 attack of Carlini and Wagner (2017), the one in the thesis's Figure 4.

    Adam minimises the squared perturbation plus a constant times how far the image is from being
    misclassified, and a binary search finds the constant of each image. `confidence`: by how much
    a wrong logit must lead. `steps`: of Adam, in each of `binary_search_steps`, ended early where
    the block's loss no longer falls. `step_size`: Adam's. Defaults are the paper's, except for
    1,000 steps in place of 10,000.

    Raises ValueError for numbers of steps below 1.
    """

    norm = "l2"

    def __init__(
        self,
        *,
        steps: int = 1000,
        binary_search_steps: int = 9,
        step_size: float = 1e-2,
        confidence: float = 0.0,
    ) -> None:
        self._attack = L2CarliniWagnerAttack(
            steps=at_least("steps", steps),
            binary_search_steps=at_least("binary_search_steps", binary_search_steps),
            stepsize=step_size,
            confidence=confidence,
        )

    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        return run_minimal(self._attack, model, images, labels)
