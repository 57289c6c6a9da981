"""A larger ball holds the smaller one, so an image that breaks in the smaller breaks in the larger.

On the raw verdicts, before tables close them. An attack that loses many images when epsilon grows
takes steps that are too long, or reports its last iterate instead of its best (Carlini et al.
2019). Reads rows alone: no pass.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from biorobust.checks.findings import Finding, finding_of, skipped
from biorobust.checks.recorded import Recorded


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """The most images that an attack broke at one epsilon and not at one larger epsilon."""
    pairs = [
        (attack, smaller, larger)
        for attack in recorded.attacks
        for (smaller, _), (larger, _) in combinations(attack.epsilons, 2)
    ]
    if not pairs:
        return skipped("monotone", "No attack of the experiment has two epsilons.")
    lost = [
        recorded.rows[attack.name, smaller].success & ~recorded.rows[attack.name, larger].success
        for attack, smaller, larger in pairs
    ]
    counts = [int(images.sum()) for images in lost]
    worst = int(np.argmax(counts))
    attack, smaller, larger = pairs[worst]
    says = "Every image that an attack broke it broke at every larger epsilon as well"
    if counts[worst]:
        says = (
            f"{attack.name} broke {counts[worst]} images at epsilon {smaller} that it did not "
            f"break at {larger}"
        )
    return finding_of(
        "monotone",
        counts[worst],
        thresholds,
        says=says,
        means="its steps are too long, or it hands back its last iterate instead of its best",
        images=recorded.named(lost[worst]),
    )
