"""A single step never beats many: nothing that FGSM breaks may survive PGD in the same ball.

Where it does, the many steps go astray: gradients are masked, or the steps are badly set (Athalye
et al. 2018; Carlini et al. 2019). Reads rows alone: no pass.
"""

from collections.abc import Mapping

from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.recorded import AttackEntry, Recorded
from biorobust.checks.witnesses import corrections_of, finding_of_misses, method_of, misses


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """Share of images that an attack by many steps missed and one by a single step broke."""
    return finding_of_misses("recorded_single_step", recorded, misses(recorded, _rival), thresholds)


def honest(recorded: Recorded, thresholds: Mapping[str, float]) -> list[Correction]:
    """The many steps' rows with the single step's successes in them."""
    return corrections_of(misses(recorded, _rival), thresholds)


def _rival(attack: AttackEntry, other: AttackEntry) -> bool:
    return other.name != attack.name and method_of(other) == "single step"
