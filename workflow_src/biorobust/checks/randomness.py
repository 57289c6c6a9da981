"""Whether a model draws at random when it is tested, which most checks then object to.

What a check of a random model finds may be due to the draws alone, and not to what the check looks
for; so its sentence says that. The check of determinism itself measures how much a model draws.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from biorobust.checks.findings import Finding
from biorobust.checks.recorded import Recorded

_IMAGES = 8


def draws_at_random(given: Any) -> bool:
    """Whether rows (`Recorded`) disagree on the clean prediction, or a `Subject` with itself."""
    recorded = given if isinstance(given, Recorded) else given.recorded
    clean = [rows.clean_prediction for rows in recorded.rows.values()]
    if any(not np.array_equal(one, other) for one, other in pairwise(clean)):
        return True
    if given is recorded:
        return False
    images = given.images[given.chosen(_IMAGES)]
    return not given.logits(images).equal(given.logits(images))


def with_reservation(finding: Finding) -> Finding:
    """What a check found of a model that draws at random: an objection may be due to that."""
    if finding.check == "determinism" or finding.verdict not in ("warn", "fail"):
        return finding
    said = "The model draws random numbers, which alone can cause this: see determinism."
    return replace(finding, sentence=f"{finding.sentence} {said}")
