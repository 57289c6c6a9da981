"""Noise and plain degradations never beat an attack: what they break must be broken by it.

Where a random point of the ball does what the search could not, the search was none (Carlini et
al. 2019). Reads rows alone: no pass.
"""

from collections.abc import Mapping

from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.recorded import AttackEntry, Recorded
from biorobust.checks.witnesses import corrections_of, finding_of_misses, method_of, misses


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """Share of images that an attack by gradients missed and noise or a degradation broke."""
    return finding_of_misses("recorded_noise", recorded, misses(recorded, _rival), thresholds)


def honest(recorded: Recorded, thresholds: Mapping[str, float]) -> list[Correction]:
    """The attack's rows with the noise's successes in them."""
    return corrections_of(misses(recorded, _rival), thresholds)


def _rival(attack: AttackEntry, other: AttackEntry) -> bool:
    return other.name != attack.name and method_of(other) == "noise"
