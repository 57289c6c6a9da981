"""Are verdicts those of exact arithmetic?

The attack stage may search in bfloat16 or TF32, though it judges in float32. Here the attack runs
in float32 alone and its verdicts are held against the rows; then the images that it returns are
judged once more in float64. Source: own. Cost: for each iterative attack, attacked images * steps
both ways at most, and attacked images in float64.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch

from biorobust.checks.attacking import DESCENTS, attacked, own_attack, telling_balls
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.subject import NotExamined, Subject, examining

NAME = "precision"


@examining(NAME, DESCENTS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: how many images have another verdict, in the attack where most have.

    `thresholds`: warn, fail.
    """
    exact = replace(subject, model=subject.model.in_double())
    worst, says = -1, ""
    images: set[int] = set()
    for ball in telling_balls(subject.recorded):
        numbers = subject.chosen(math.inf, ball.rows.attacked)
        if not len(numbers):
            continue
        found = attacked(subject, own_attack(ball.entry), numbers, ball.epsilon)
        recorded = torch.from_numpy(ball.rows.success)[numbers]
        in_double = exact.logits(found.iterates.double()).argmax(1) != found.labels
        differ = (found.broken != recorded) | (found.broken != in_double)
        images |= set(numbers[differ].tolist())
        if int(differ.sum()) > worst:
            worst = int(differ.sum())
            says = (
                f"In float32 alone, or judged in float64, {worst} of {len(numbers)} images have "
                f"another verdict than {ball} recorded"
            )
    if not says:
        raise NotExamined("No image was attacked: the model classifies none correctly.")
    return finding_of(
        NAME,
        worst,
        thresholds,
        says=says,
        means="rounding, or another model or device, decides here; set "
        "execution.attack_precision to float32 and attack again",
        images=subject.ids_of(images),
    )
