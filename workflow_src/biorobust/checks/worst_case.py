"""The worst case over attacks: what one of them missed and others of its kind found.

Attacks by many steps in one norm, with other losses, steps or schedules, should agree within a
point; where one misses more, its number is not the model's (Carlini et al. 2019; Croce and Hein
2020). Reads rows alone: no pass.
"""

from collections.abc import Mapping

from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.recorded import AttackEntry, Recorded
from biorobust.checks.witnesses import corrections_of, finding_of_misses, method_of, misses


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """Share of images that an attack missed and its peers in the same norm broke."""
    return finding_of_misses("worst_case", recorded, misses(recorded, _rival), thresholds)


def honest(recorded: Recorded, thresholds: Mapping[str, float]) -> list[Correction]:
    """The worst case of each image over the attack and its peers."""
    return corrections_of(misses(recorded, _rival), thresholds)


def _rival(attack: AttackEntry, other: AttackEntry) -> bool:
    same = other.norm == attack.norm and method_of(other) == "many steps"
    return same and other.name != attack.name
