"""The honest number, where a check shows that the experiment's is too kind.

What a stronger attack breaks counts as broken, image by image; what the experiment's attack broke
stays broken by it. So the honest accuracy is never above the one that was measured.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields

import numpy as np

from biorobust.attacks.base import ImageAttack
from biorobust.attacks.engine import Finished
from biorobust.attacks.norms import NORMS
from biorobust.attacks.sanity import UnfitForAttack
from biorobust.checks.attacking import Ball, attacked, balls
from biorobust.checks.corrections import Correction
from biorobust.checks.recorded import AttackRows
from biorobust.checks.subject import Subject

Honest = Callable[[Subject, Mapping[str, float]], list[Correction]]


def worst_case(subject: Subject, rivals: Callable[[Ball], list[ImageAttack]]) -> list[Correction]:
    """Every attack of the experiment that has epsilons, at each of them, its survivors attacked
    again.

    A ball is its norm and its size, whatever attack was to search it. The rivals take turns; an
    image counts as broken by the first that breaks it, as the subject's model judges.
    """
    corrections = []
    for ball in balls(subject.recorded):
        rows = ball.rows
        for rival in rivals(ball):
            left = subject.chosen(len(subject.images), rows.survived)
            if len(left):
                # What a rival cannot attack at all it does not break.
                with suppress(UnfitForAttack):
                    rows = _merged(rows, attacked(subject, rival, left, ball.epsilon))
        corrections.append(Correction(ball.entry.name, ball.text, rows))
    return corrections


def rows_of(found: Finished) -> AttackRows:
    """The rows of an attack's results, in their order."""
    change = found.iterates.double() - found.originals.double()
    return AttackRows(
        label=found.labels.numpy(),
        clean_prediction=found.clean_predictions.numpy(),
        adversarial_prediction=found.predictions.numpy(),
        success=found.broken.numpy(),
        steps=found.steps.numpy(),
        loss=found.losses.double().numpy(),
        **{name: norm.size(change).numpy() for name, norm in NORMS.items()},
    )


def _merged(rows: AttackRows, found: Finished) -> AttackRows:
    newer = rows_of(found)
    at = found.numbers.numpy()[newer.success]
    columns = {}
    for field in fields(AttackRows):
        column = np.array(getattr(rows, field.name))
        column[at] = getattr(newer, field.name)[newer.success]
        columns[field.name] = column
    return AttackRows(**columns)
