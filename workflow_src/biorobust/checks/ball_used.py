"""An attack that fails at least tried the whole ball: its survivors' perturbations reach the rim.

Steps that are too short or too few to leave the centre, or an epsilon applied in a smaller unit
(RMS taken for L2 is sqrt(3 N N) times too small, 8/255 taken for 8 is 255 times), leave survivors
whose perturbations are far smaller than epsilon. Clipping to [0, 1] shortens honest ones in L2 and
RMS too, on images with much black or white even by half; hence the threshold. Reads rows alone: no
pass.
"""

from collections.abc import Mapping

import numpy as np

from biorobust.checks.findings import Finding, judged, skipped
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
    warn, fail = thresholds["warn"], thresholds["fail"]
    verdict = judged(figure, warn, fail)
    sentence = (
        f"The median survivor of {name} at epsilon {text} has a perturbation of "
        f"{1 - figure:.3g} epsilon"
    )
    reason = ": the attack stays inside its ball, or uses another unit." if figure > warn else "."
    return Finding(
        check="ball_used",
        figure=figure,
        threshold=f"share of epsilon unused: warns above {warn:g}, fails above {fail:g}",
        verdict=verdict,
        images=recorded.named(recorded.rows[name, text].survived) if verdict != "pass" else (),
        sentence=sentence + reason,
    )
