"""What the attack jobs recorded of one trained model: all that a check of rows reads.

Rows are in the order of the test set. Neither torch nor a model is needed for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class AttackEntry:
    """An attack of the experiment: its name, kind, norm and options, and its epsilons.

    `config` are the options without name, epsilon and kind. `epsilons` are (text, value),
    ascending; an attack that searches for the smallest perturbation has ("minimal", None) alone.
    """

    name: str
    kind: str
    norm: str
    config: Mapping[str, Any]
    epsilons: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class AttackRows:
    """One attack at one epsilon on every test image, a column each: arrays [n]."""

    label: Integers
    clean_prediction: Integers
    adversarial_prediction: Integers
    success: Booleans
    steps: Integers
    loss: Floats
    linf: Floats
    l2: Floats
    rms: Floats

    @property
    def attacked(self) -> Booleans:
        """Which images were classified correctly, and so attacked."""
        return np.asarray(self.clean_prediction == self.label)

    @property
    def survived(self) -> Booleans:
        """Which images were attacked and not broken: those that count for robustness."""
        return self.attacked & ~self.success


@dataclass(frozen=True)
class Recorded:
    """All rows of one model and seed. `rows` are by attack name and epsilon text.

    `ids` and `labels` [n] are those of the test set; `pixels` is 3 * N * N. `training_accuracy`
    is that of the last epoch, a fraction; None where the weights were trained elsewhere. `attacks`
    are to be judged; `rivals` are further ones, whose rows only bear witness.
    """

    ids: list[str]
    labels: Integers
    pixels: int
    attacks: tuple[AttackEntry, ...]
    rows: Mapping[tuple[str, str], AttackRows]
    training_accuracy: float | None
    rivals: tuple[AttackEntry, ...] = ()

    def only(self, attack: str) -> "Recorded":
        """The same with one attack to be judged, of this name, and the others for rivals."""
        judged = tuple(entry for entry in self.attacks if entry.name == attack)
        others = tuple(entry for entry in self.attacks if entry.name != attack)
        return replace(self, attacks=judged, rivals=others)

    def named(self, chosen: Booleans) -> tuple[str, ...]:
        """The ids of the chosen images, `chosen` [n]."""
        return tuple(self.ids[place] for place in np.flatnonzero(chosen))
