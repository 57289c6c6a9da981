"""Class folders that look swapped: test images that resemble another class's training images.

The judge is cheap: the class of the training thumbnail nearest to each test thumbnail. It knows
digits and garments well and photographs hardly, so what it does not see may still be wrong.
"""

from collections.abc import Iterator
from math import exp, log

import numpy as np
import numpy.typing as npt

# How often classes that are in order may be called swapped, an experiment.
_FALSE_ALARMS = 1e-4

Counts = npt.NDArray[np.int64]


def looks(test_labels: Counts, nearest_labels: Counts, classes: int) -> Counts:
    """How many test images of class i look like class j: labels [n], [n] -> [classes, classes]."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (test_labels, nearest_labels), 1)
    return counts


def swapped(counts: Counts) -> list[list[int]]:
    """Circles of classes (two, if two are swapped) each of which looks most like the next.

    `counts` is what `looks` returns. Each class of a circle resembles the next one more often
    than itself, and all of them together do so more often than chance allows: for images that
    look like their own class at least as often as like the next, the probability is below 1e-4,
    shared among all pairs of classes.
    """
    following = {
        label: int(row.argmax()) for label, row in enumerate(counts) if row.max() > row[label]
    }
    allowed = _FALSE_ALARMS / max(len(counts), 1) ** 2
    return [
        circle
        for circle in _circles(following)
        if _chance(
            sum(int(counts[label, following[label]]) for label in circle),
            sum(int(counts[label, label]) for label in circle),
        )
        < allowed
    ]


def _circles(following: dict[int, int]) -> Iterator[list[int]]:
    """Every closed circle of the map, from its smallest label on."""
    seen: set[int] = set()
    for start in sorted(following):
        path: list[int] = []
        label = start
        while label in following and label not in seen:
            seen.add(label)
            path.append(label)
            label = following[label]
        if label in path:
            yield path[path.index(label) :]


def _chance(crossed: int, straight: int) -> float:
    """Chernoff's bound on `crossed` heads or more in as many fair throws as there are images.

    Source: Chernoff 1952, "A measure of asymptotic efficiency", Theorem 1. Where all throws are
    heads, it is the probability itself.
    """
    total = crossed + straight
    if crossed <= straight:
        return 1.0
    divergence = sum(n / total * log(2 * n / total) for n in (crossed, straight) if n)
    return exp(-total * divergence)
