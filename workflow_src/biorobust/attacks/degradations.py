"""Blur and loss of contrast, increased until the image is broken."""

from foolbox.attacks import GaussianBlurAttack, LinearSearchContrastReductionAttack
from torch import Tensor

from biorobust.attacks.base import MinimalAttack, Queried, at_least
from biorobust.attacks.through_foolbox import run_minimal


class GaussianBlur(MinimalAttack):
    """A Gaussian filter of growing width (thesis §2.2): the narrowest that breaks the image.

    `steps`: widths that are tried, up to a standard deviation of the longer image side. The size
    is given as L2, though the search is along the width alone.

    Raises ValueError for steps below 1.
    """

    norm = "l2"

    def __init__(self, *, steps: int = 1000) -> None:
        self._attack = GaussianBlurAttack(steps=at_least("steps", steps), channel_axis=1)

    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        return run_minimal(self._attack, model, images, labels)


class ContrastReduction(MinimalAttack):
    """Blending with mid-grey (thesis §2.2): the least share that breaks the image.

    `steps`: shares that are tried, from 0 to 1 in a line. The norm that is made small is L2; on
    this line every norm has the same smallest share.

    Raises ValueError for steps below 1.
    """

    norm = "l2"

    def __init__(self, *, steps: int = 1000) -> None:
        self._attack = LinearSearchContrastReductionAttack(steps=at_least("steps", steps))

    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        return run_minimal(self._attack, model, images, labels)
