"""An L2 epsilon that was meant as RMS: a ball so small that the attack can do nothing.

The paper's and the thesis's "L2" is the root mean square (Foolbox 2's). The same number as a true
L2 norm is sqrt(3 N N) times smaller, 554 times at N = 320: for .001 to .05 far below one grey
level, where no attack breaks a thing and every model looks robust. Reads rows alone: no pass.
"""

from collections.abc import Mapping
from math import sqrt

from biorobust.checks.findings import Finding, finding_of, skipped
from biorobust.checks.recorded import Recorded


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """The largest share of attacked images left standing in L2 balls too small to be meant.

    Too small is a root mean square below `grey_levels` of 1/255.
    """
    shares = {}
    for attack in recorded.attacks:
        text, size = attack.epsilons[-1]
        if attack.norm != "l2" or size is None:
            continue
        levels = 255 * size / sqrt(recorded.pixels)
        rows = recorded.rows[attack.name, text]
        if levels < thresholds["grey_levels"] and rows.attacked.any():
            share = float(rows.survived.sum() / rows.attacked.sum())
            shares[attack.name, text, levels] = share
    if not any(a.norm == "l2" and a.epsilons[-1][1] is not None for a in recorded.attacks):
        return skipped("epsilon_unit", "No attack of the experiment has an epsilon in true L2.")
    figure = max(shares.values(), default=0.0)
    says = "No L2 ball of the experiment is as small as one in which RMS was meant"
    if shares:
        name, text, levels = max(shares, key=lambda key: shares[key])
        says = (
            f"{name} at its largest epsilon, {text} in true L2, moves a pixel by {levels:.2g} grey "
            f"levels on average and left {figure:.1%} of the images standing"
        )
    return finding_of(
        "epsilon_unit",
        figure,
        thresholds,
        says=says,
        means="if the epsilon is the thesis's, the norm is rms",
    )
