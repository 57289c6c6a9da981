"""A black box never beats a white box: queries alone must not break what gradients could not.

Where they do, the gradients mislead (Athalye et al. 2018; Carlini et al. 2019; the threshold is
AutoAttack's for its Square attack). Reads rows alone: no pass.
"""

from collections.abc import Mapping

from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.recorded import AttackEntry, Recorded
from biorobust.checks.witnesses import corrections_of, finding_of_misses, method_of, misses


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """Share of images that an attack by gradients missed and one by queries alone broke."""
    return finding_of_misses("recorded_black_box", recorded, misses(recorded, _rival), thresholds)


def honest(recorded: Recorded, thresholds: Mapping[str, float]) -> list[Correction]:
    """The white box's rows with the black box's successes in them."""
    return corrections_of(misses(recorded, _rival), thresholds)


def _rival(attack: AttackEntry, other: AttackEntry) -> bool:
    return other.name != attack.name and method_of(other) == "black box"
