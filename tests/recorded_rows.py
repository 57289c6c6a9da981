"""Rows of made-up attacks on four images of 3 x 8 x 8 pixels, for checks of rows."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from biorobust.checks.recorded import AttackEntry, AttackRows, Recorded

PIXELS = 3 * 8 * 8
IDS = ["a", "b", "c", "d"]


def entry(
    name: str, *epsilons: float | None, kind: str = "pgd", norm: str = "linf", **options: Any
) -> AttackEntry:
    """An attack with these epsilons, ascending; None is that of one without any."""
    if kind in ("pgd", "bim"):
        options = {"steps": 20, **options}
    texts = tuple(("minimal" if size is None else str(size), size) for size in epsilons)
    return AttackEntry(name, kind, norm, options, texts)


def rows(broken: str, linf: float | Sequence[float], /, **changes: Any) -> AttackRows:
    """Rows on images of class 0, one a character: "x" broken, "." left standing, "-" wrong clean.

    Every pixel is changed by `linf` (one size, or one an image), if the image was attacked.
    """
    kinds = np.array(list(broken))
    attacked = kinds != "-"
    sizes = np.where(attacked, np.broadcast_to(linf, len(kinds)), 0.0)
    columns: dict[str, Any] = {
        "label": np.zeros(len(kinds), np.int64),
        "clean_prediction": np.where(attacked, 0, 1),
        "adversarial_prediction": np.where(kinds == ".", 0, 1),
        "success": kinds == "x",
        "steps": np.where(attacked, 20, 0),
        "loss": np.full(len(kinds), 0.5),
        "linf": sizes,
        "l2": sizes * sqrt(PIXELS),
        "rms": sizes,
    }
    return AttackRows(**columns | {name: np.asarray(value) for name, value in changes.items()})


def recorded(attacks: Sequence[tuple[AttackEntry, Sequence[AttackRows]]]) -> Recorded:
    """What was recorded: pairs of an attack and its rows, one an epsilon."""
    return Recorded(
        ids=IDS,
        labels=np.zeros(len(IDS), np.int64),
        pixels=PIXELS,
        attacks=tuple(attack for attack, _ in attacks),
        rows={
            (attack.name, text): made
            for attack, all_rows in attacks
            for (text, _), made in zip(attack.epsilons, all_rows, strict=True)
        },
        training_accuracy=None,
    )
