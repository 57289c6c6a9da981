"""Balls of different norms inside one another: what breaks in the inner breaks in the outer.

The L-infinity ball of size e is inside the RMS ball of size e, so no more images may survive the
second than the first; the published RMS results (Vuyyuru et al. 2020, released data) break this
rule by up to ten points. Compared per image, by the sizes that the perturbations have, between
attacks that both take many steps. Reads rows alone: no pass.
"""

from collections.abc import Mapping

from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.recorded import AttackEntry, Recorded
from biorobust.checks.witnesses import corrections_of, finding_of_misses, method_of, misses


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """Share of images that an attack missed and one in another norm broke inside its ball."""
    return finding_of_misses("nesting", recorded, misses(recorded, _rival), thresholds)


def honest(recorded: Recorded, thresholds: Mapping[str, float]) -> list[Correction]:
    """The attack's rows with the successes from inside its ball in them."""
    return corrections_of(misses(recorded, _rival), thresholds)


def _rival(attack: AttackEntry, other: AttackEntry) -> bool:
    return other.norm != attack.norm and method_of(other) == "many steps"
