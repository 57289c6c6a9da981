"""Values that rows can hold at all: sizes, predictions, verdicts and losses that fit one another.

A number that cannot occur (the thesis prints .02 % of 500 images) tells of rows that were edited,
mixed or written by something else than the attack. Reads rows alone: no pass.
"""

from collections.abc import Iterator, Mapping
from math import sqrt

import numpy as np

from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.recorded import AttackEntry, AttackRows, Booleans, Recorded

# Sizes are computed in float64 from float32 pixels and written exactly.
_ROUNDING = 1 + 1e-6


def check(recorded: Recorded, thresholds: Mapping[str, float]) -> Finding:
    """How many rows of all attacks hold what cannot be."""
    count, first = 0, ""
    images = np.zeros(len(recorded.ids), bool)
    for attack in recorded.attacks:
        for text, _ in attack.epsilons:
            rows = recorded.rows[attack.name, text]
            at_fault = np.zeros_like(images)
            for fault, rows_at_fault in _faults(recorded, attack, rows):
                if rows_at_fault.any() and not first:
                    first = f"{fault} ({attack.name} at epsilon {text})"
                at_fault |= rows_at_fault
            count += int(at_fault.sum())
            images |= at_fault
    says = "Sizes, predictions, verdicts and losses of all rows fit one another"
    if count:
        says = f"{count} rows hold what cannot be, such as {first}"
    return finding_of(
        "possible_values",
        count,
        thresholds,
        says=says,
        means="they were edited, mixed, or written by something else than the attack; if clean "
        "predictions differ and the check of determinism fails, by a model that draws at random",
        images=recorded.named(images),
    )


def _faults(
    recorded: Recorded, attack: AttackEntry, rows: AttackRows
) -> Iterator[tuple[str, Booleans]]:
    """Each thing that cannot be, with the rows that claim it."""
    first = next(iter(recorded.rows.values()))
    other_clean = np.not_equal(rows.clean_prediction, first.clean_prediction)
    sizes = np.stack([rows.linf, rows.l2, rows.rms])
    sound = np.all(np.isfinite(sizes) & (sizes >= 0), axis=0)
    l2_of_rms = rows.rms * sqrt(recorded.pixels)
    yield "a label that is not the test set's", np.not_equal(rows.label, recorded.labels)
    yield "a clean prediction that differs between attacks", other_clean
    yield "a success on an image misclassified from the start", rows.success & ~rows.attacked
    yield "a size that is no number from 0 up", np.logical_not(sound)
    yield "a change of a pixel by more than 1", rows.linf > _ROUNDING
    yield "an RMS size above the L-infinity size", rows.rms > rows.linf * _ROUNDING
    yield (
        "an L2 size that is not the RMS size times sqrt(3 N N)",
        ~np.isclose(rows.l2, l2_of_rms, rtol=1e-6, atol=1e-12),
    )
    yield "a success without any perturbation", rows.success & (rows.linf == 0)
    yield "a loss that is no number from 0 up", ~(rows.loss >= 0)
    if attack.kind in ("fgsm", "bim", "pgd"):
        most = int(attack.config.get("steps", 1))
        yield "more steps than the attack takes", (rows.steps < 0) | (rows.steps > most)
