"""FGSM, BIM and PGD: one engine, three settings."""

from collections.abc import Iterator
from typing import Any

from biorobust.attacks.base import ImageAttack, Manner, Model
from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.pgd import PGD


class ProjectedGradientDescent(ImageAttack):
    """Projected gradient descent (Madry et al. 2018), the thesis's attack (§3.1).

    `norm`: "linf", "l2" or "rms" (the thesis's "L2"). `relative_step`: the step's size as a share
    of epsilon. `loss`: "cross_entropy" or "margin". `random_start` begins at a random point of
    the ball, in each of `restarts` attempts.
    `Finished.steps` are steps of the descent.

    Raises ValueError for an impossible value, and for restarts without a random start.
    """

    def __init__(
        self,
        *,
        norm: str = "linf",
        steps: int = 20,
        relative_step: float = 1 / 3,
        loss: str = "cross_entropy",
        random_start: bool = False,
        restarts: int = 1,
    ) -> None:
        self.norm = norm
        self._options: dict[str, Any] = {
            "norm": norm,
            "steps": steps,
            "relative_step": relative_step,
            "loss": loss,
            "random_start": random_start,
            "restarts": restarts,
        }
        PGD(**self._options)  # refuses what is impossible

    def attack(
        self, model: Model, stretches: Iterator[Images], *, seed: int, manner: Manner
    ) -> Iterator[Finished]:
        """See `ImageAttack.attack`. Each image is attacked by itself, whatever the batches."""
        pgd = PGD(
            **self._options,
            precision=manner.precision,
            compiled=manner.compiled,
            channels_last=manner.channels_last,
        )
        return pgd.stream(model, stretches, batch_size=manner.batch_size, seed=seed, say=manner.say)


class BasicIterative(ProjectedGradientDescent):
    """The basic iterative method (Kurakin et al. 2017): PGD from the original, in small steps.

    `relative_step` is 1/5 by default, with 10 steps, as in Foolbox: the iterate can cross the
    ball and come back.
    """

    def __init__(
        self, *, norm: str = "linf", steps: int = 10, relative_step: float = 1 / 5
    ) -> None:
        super().__init__(norm=norm, steps=steps, relative_step=relative_step)


class FastGradientSign(ProjectedGradientDescent):
    """The fast gradient sign method (Goodfellow et al. 2015): one step to the ball's surface.

    In the L2 and RMS norms the step goes along the gradient itself.
    """

    def __init__(self, *, norm: str = "linf") -> None:
        super().__init__(norm=norm, steps=1, relative_step=1.0)
