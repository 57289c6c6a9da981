"""Attacks that walk along the boundary with an adaptive ball: FMN and DDN."""

import eagerpy as ep
from foolbox.attacks import DDNAttack, L2FMNAttack, LInfFMNAttack
from torch import Tensor

from biorobust.attacks.base import MinimalAttack, Queried, at_least, one_of
from biorobust.attacks.through_foolbox import run_minimal

_OVERSHOOT = 1.01


class FastMinimumNorm(MinimalAttack):
    """The fast minimum-norm attack (Pintor et al. 2021).

    `norm`: "l2" or "linf". `steps`: gradient steps. `gamma`: by which share the ball shrinks or
    grows at first. Defaults are Foolbox's.

    Raises ValueError for an unknown norm or steps below 1.
    """

    def __init__(self, *, norm: str = "l2", steps: int = 100, gamma: float = 0.05) -> None:
        self.norm = one_of("norm", norm, ("l2", "linf"))
        attack = _L2 if norm == "l2" else LInfFMNAttack
        self._attack = attack(steps=at_least("steps", steps), gamma=gamma)

    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        return run_minimal(self._attack, model, images, labels)


class _L2(L2FMNAttack):
    def project(self, x: ep.Tensor, x0: ep.Tensor, epsilon: ep.Tensor) -> ep.Tensor:
        # Foolbox 3.3.4 divides the size by itself here, and so never projects. The ball is a
        # little too large on purpose: it ends where the linearised boundary is, which an image
        # would come ever closer to without crossing it. Pixels are clipped first, or those that
        # cannot move would take up length, and the image would come to rest short of the boundary.
        change = x.clip(0, 1) - x0
        size = change.flatten(start=1).norms.l2(axis=-1)
        share = ep.minimum(1, _OVERSHOOT * epsilon / ep.maximum(size, 1e-12))
        return x0 + change * share.reshape((-1, 1, 1, 1))


class DecoupledDirectionNorm(MinimalAttack):
    """The decoupled direction and norm attack, DDN (Rony et al. 2019), in the L2 norm.

    `steps`: gradient steps. `gamma`: by which share the ball shrinks or grows at each.
    `start_size`: the ball's true L2 radius at first. Defaults are the paper's.

    Raises ValueError for steps below 1.
    """

    norm = "l2"

    def __init__(self, *, steps: int = 100, gamma: float = 0.05, start_size: float = 1.0) -> None:
        self._attack = DDNAttack(
            steps=at_least("steps", steps), gamma=gamma, init_epsilon=start_size
        )

    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        return run_minimal(self._attack, model, images, labels)
