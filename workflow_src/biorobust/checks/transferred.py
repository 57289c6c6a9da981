"""An attack on one model whose images another judges: itself in another form, or a stranger."""

from collections.abc import Iterator
from typing import Any

from biorobust.attacks.base import ImageAttack, Manner, Model
from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.iterative import ProjectedGradientDescent
from biorobust.checks.attacking import judged_by


class TransferredDescent(ImageAttack):
    """PGD on another model, `source`, with its images judged by the one that is attacked.

    The options are those of `ProjectedGradientDescent`.
    """

    def __init__(self, source: Model, **options: Any) -> None:
        self._source = source
        self._descent = ProjectedGradientDescent(**options)
        self.norm = self._descent.norm

    def attack(
        self, model: Model, stretches: Iterator[Images], *, seed: int, manner: Manner
    ) -> Iterator[Finished]:
        """See `ImageAttack.attack`."""
        for found in self._descent.attack(self._source, stretches, seed=seed, manner=manner):
            yield judged_by(model, found)
