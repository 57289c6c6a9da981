"""The verdict is that of the image handed back: success where it is misclassified, and only there.

An attack that returns its last iterate instead of the one that succeeded, or counts a success that
it does not hold in its hands, breaks this (Pintor et al. 2022, "indicators of attack failure").
Images that lie outside the ball are another check's. Reads rows alone: no pass.
"""

from collections.abc import Mapping

import numpy as np

from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.recorded import Recorded
from biorobust.checks.witnesses import inside


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """How many verdicts of all attacks contradict the prediction on the image handed back."""
    count = 0
    images = np.zeros(len(recorded.ids), bool)
    where = ""
    for attack in recorded.attacks:
        for text, size in attack.epsilons:
            rows = recorded.rows[attack.name, text]
            wrong = rows.adversarial_prediction != rows.label
            at_fault = rows.attacked & (rows.success != wrong)
            if size is not None and attack.norm != "l0":
                at_fault &= inside(rows, attack.norm, size)
            if at_fault.any() and not where:
                where = f"{attack.name} at epsilon {text}"
            count += int(at_fault.sum())
            images |= at_fault
    says = "Every verdict is that of the prediction on the image that the attack handed back"
    if count:
        says = f"{count} verdicts contradict the prediction on the image handed back, as of {where}"
    return finding_of(
        "silent_success",
        count,
        thresholds,
        says=says,
        means="the attack hands back another image than the one that it judged",
        images=recorded.named(images),
    )
