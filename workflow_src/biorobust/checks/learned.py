"""Has the model learned the classes that the test images bear?

Labels that were shuffled, in training or in the test set, or class folders in another order leave
a model that guesses; its robustness is that of nothing. The clean accuracy is held against always
naming the largest class, and the finding tells the training accuracy beside it: high there and at
chance here means that the labels do not belong together. Reads rows alone: no pass.
"""

from collections.abc import Mapping
from math import exp, lgamma, log

import numpy as np

from biorobust.checks.findings import Finding, finding_of, skipped
from biorobust.checks.recorded import AttackRows, Recorded

NAME = "learned"


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the probability that guessing gets as many test images right, or more.

    `thresholds`: warn, fail.
    """
    if not recorded.rows:
        return skipped(NAME, "No attack has recorded what the model says of clean images.")
    rows = next(iter(recorded.rows.values()))
    right, total = int(rows.attacked.sum()), len(recorded.labels)
    chance = float(np.bincount(recorded.labels).max() / total)
    says = (
        f"{right} of {total} clean test images are classified correctly; always naming the largest "
        f"class gets {round(chance * total)}"
    )
    if recorded.training_accuracy is not None:
        says += f", and the training accuracy is {recorded.training_accuracy:.1%}"
    means = (
        "the labels of training and test do not belong together, or nothing was learned (some 300 "
        "batches of training are what batch normalisation needs to settle at its published "
        "momentum of 0.01: more epochs, smaller batches, or a larger batch_norm_momentum)"
    )
    if taken := mostly_taken_for(rows):
        means += "; " + ", ".join(f"class {a} is mostly taken for {b}" for a, b in taken[:3])
    return finding_of(NAME, tail(right, total, chance), thresholds, says=says, means=means)


def mostly_taken_for(rows: AttackRows) -> list[tuple[int, int]]:
    """Classes of which most images are taken for one other class: (class, other)."""
    pairs = []
    for label in np.unique(rows.label):
        predictions = rows.clean_prediction[rows.label == label]
        named, counts = np.unique(predictions, return_counts=True)
        other = int(named[counts.argmax()])
        if other != label and counts.max() > len(predictions) / 2:
            pairs.append((int(label), other))
    return pairs


def tail(right: int, total: int, chance: float) -> float:
    """The probability of `right` successes or more in `total` trials of probability `chance`."""
    if right == 0 or chance == 1:
        return 1.0
    terms = (
        lgamma(total + 1)
        - lgamma(count + 1)
        - lgamma(total - count + 1)
        + count * log(chance)
        + (total - count) * log(1 - chance)
        for count in range(right, total + 1)
    )
    return min(1.0, sum(map(exp, terms)))
