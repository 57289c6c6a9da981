"""An attack that fails at least tried the whole ball: its survivors' perturbations reach the rim.

Steps that are too short or too few to leave the centre, or an epsilon applied in a smaller unit
(RMS taken for L2 is sqrt(3 N N) times too small, 8/255 taken for 8 is 255 times), leave survivors
whose perturbations are far smaller than epsilon. Clipping to [0, 1] shortens honest ones in L2 and
RMS too, on images with much black or white even by half; hence the threshold. Reads rows alone: no
pass.
"""

from collections.abc import Mapping

import numpy as np

from biorobust.checks.findings import Finding, finding_of, skipped
from biorobust.checks.recorded import Recorded
from biorobust.checks.witnesses import method_of


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """How far the median survivor's perturbation stays from epsilon, as a share of epsilon."""
    gaps = {}
    for attack in recorded.attacks:
        if method_of(attack) == "many steps":
            for text, size in attack.epsilons:
                rows = recorded.rows[attack.name, text]
                if size and rows.survived.any():
                    sizes = getattr(rows, attack.norm)[rows.survived]
                    gaps[attack.name, text] = 1 - float(np.median(sizes)) / size
    if not gaps:
        return skipped("ball_used", "No image survived an attack of many steps under an epsilon.")
    (name, text), figure = max(gaps.items(), key=lambda gap: gap[1])
    return finding_of(
        "ball_used",
        figure,
        thresholds,
        says=f"The median survivor of {name} at epsilon {text} has a perturbation of "
        f"{1 - figure:.3g} epsilon",
        means="the attack stays far inside its ball, or takes epsilon in another unit",
        images=recorded.named(recorded.rows[name, text].survived),
    )
