"""DeepFool."""

from foolbox.attacks import L2DeepFoolAttack, LinfDeepFoolAttack
from torch import Tensor

from biorobust.attacks.base import MinimalAttack, Queried, at_least, one_of
from biorobust.attacks.through_foolbox import run_minimal


class DeepFool(MinimalAttack):
    """DeepFool (Moosavi-Dezfooli et al. 2016): step by step to the nearest linearised boundary.

    `norm`: "l2" or "linf". `steps`: at most so many. `candidates`: only the likeliest classes are
    looked at. `overshoot`: how far beyond the boundary, as a share of the way. Defaults are the
    paper's.

    Raises ValueError for an unknown norm, steps below 1 or fewer than two candidates.
    """

    def __init__(
        self,
        *,
        norm: str = "l2",
        steps: int = 50,
        candidates: int = 10,
        overshoot: float = 0.02,
    ) -> None:
        self.norm = one_of("norm", norm, ("l2", "linf"))
        attack = L2DeepFoolAttack if norm == "l2" else LinfDeepFoolAttack
        self._attack = attack(
            steps=at_least("steps", steps),
            candidates=at_least("candidates", candidates, 2),
            overshoot=overshoot,
        )

    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        return run_minimal(self._attack, model, images, labels)
