"""Is an image judged by itself, whatever else is in its batch?

Batch norm left in training mode normalises an image by its neighbours: verdicts then depend on
the batch size, and an attack on a batch moves the neighbours too. Compared are the logits of the
same images in one batch and in pairs; the batches differ in size, so float32 may round otherwise.
Source: own; the contract of `models.base`. Cost: 2 * `images` forward passes.
"""

from collections.abc import Mapping

import torch

from biorobust.checks.determinism import movement
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.subject import Subject, examining

NAME = "batch_independence"


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the farthest that a logit moves, as a share of its image's spread of logits.

    `thresholds`: warn, fail, images.
    """
    numbers = subject.chosen(thresholds["images"])
    images = subject.images[numbers]
    together = subject.logits(images)
    pairs = torch.cat([subject.logits(images[at : at + 2]) for at in range(0, len(images), 2)])
    moved = movement([together, pairs])
    return finding_of(
        NAME,
        float(moved.amax()),
        thresholds,
        says="In pairs instead of one batch, images had logits that were at most "
        f"{float(moved.amax()):.2g} of their spread away",
        means="the model judges an image by its neighbours, as batch norm in training mode does; "
        "call model.eval() and attack again",
        images=subject.ids_of(numbers[moved > thresholds["warn"]]),
    )
