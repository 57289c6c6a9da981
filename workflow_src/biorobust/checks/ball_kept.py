"""No perturbation leaves its ball: sizes in the rows are at most epsilon, up to float32's rounding.

Catches a projection that leaves the ball, clipping around the previous iterate instead of the
original image, and an epsilon applied in a larger unit (8 for 8/255, L2 for RMS). Reads rows
alone: no pass.
"""

from collections.abc import Mapping

import numpy as np

from biorobust.checks.findings import Finding, finding_of, skipped
from biorobust.checks.recorded import Recorded
from biorobust.checks.witnesses import inside


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """How many perturbations, of all attacks under an epsilon, are larger than it."""
    count, compared, largest, where = 0, False, 0.0, ""
    images = np.zeros(len(recorded.ids), bool)
    for attack in recorded.attacks:
        for text, size in attack.epsilons:
            if size is None:
                continue
            compared = True
            rows = recorded.rows[attack.name, text]
            outside = ~inside(rows, attack.norm, size)
            if not outside.any():
                continue
            count += int(outside.sum())
            images |= outside
            most = float(np.max(getattr(rows, attack.norm)))
            excess = most / size if size else np.inf
            if excess > largest:
                largest, where = excess, f"{attack.name} at epsilon {text}"
    if not compared:
        return skipped("ball_kept", "No attack of the experiment has an epsilon.")
    says = "Every perturbation is at most as large as its epsilon"
    if count:
        says = (
            f"{count} perturbations are larger than their epsilon, the worst {largest:.3g} times "
            f"as large ({where})"
        )
    return finding_of(
        "ball_kept",
        count,
        thresholds,
        says=says,
        means="the attack does not keep to its ball, or takes epsilon in another unit",
        images=recorded.named(images),
    )
