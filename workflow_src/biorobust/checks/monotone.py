"""A larger ball holds the smaller one, so an image that breaks in the smaller breaks in the larger.

On the raw verdicts, before tables close them. An attack that loses many images when epsilon grows
takes steps that are too long, or reports its last iterate instead of its best (Carlini et al.
2019). Reads rows alone: no pass.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from biorobust.checks.findings import Finding, judged, skipped
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
    figure, warn, fail = counts[worst], thresholds["warn"], thresholds["fail"]
    sentence = "Every image that an attack broke it broke at every larger epsilon as well."
    if figure:
        sentence = (
            f"{attack.name} broke {figure} images at epsilon {smaller} that it did not break at "
            f"{larger}."
        )
    return Finding(
        check="monotone",
        figure=figure,
        threshold=f"images lost: warns above {warn:g}, fails above {fail:g}",
        verdict=judged(figure, warn, fail),
        images=recorded.named(lost[worst]),
        sentence=sentence,
    )
