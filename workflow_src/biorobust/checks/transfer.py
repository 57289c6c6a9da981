"""Do images that fool the plain model fool this one, where its own attack failed?

Adversarial images made on another model know nothing of this one's gradient. If they succeed where
the white box did not, the gradient is masked. They come from the experiment's plain model of the
same seed. Source: Carlini et al. 2019, "On Evaluating Adversarial Robustness"; Athalye et al. 2018.
Cost: for each iterative attack, survivors forward passes of this model, and on the plain one
survivors * steps both ways, which are not counted here.
"""

import math
from collections.abc import Mapping

from biorobust.checks.attacking import attacked, descent_like, telling_balls
from biorobust.checks.findings import Finding, finding_of, skipped
from biorobust.checks.subject import Subject, examining

NAME = "transfer"


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to images made on the plain model.

    `thresholds`: warn, fail.
    """
    if subject.transfer_from is None:
        return skipped(NAME, "There is no other model of kind standard to make images on.")
    worst, says = -math.inf, ""
    images: set[int] = set()
    for ball in telling_balls(subject.recorded):
        numbers = subject.chosen(math.inf, ball.rows.survived)
        if not len(numbers):
            continue
        attack = descent_like(ball.entry)
        source = subject.transfer_from
        found = attacked(subject, attack, numbers, ball.epsilon, model=source)
        fooled = subject.logits(found.iterates).argmax(1) != subject.labels[numbers]
        images |= set(numbers[fooled].tolist())
        figure = int(fooled.sum()) / len(subject.images)
        if figure > worst:
            worst = figure
            says = (
                f"Of {len(numbers)} images that survived {ball}, {int(fooled.sum())} fell to "
                "images made on the plain model"
            )
    if not says:
        return skipped(NAME, "No image survived an iterative attack: nothing is left to break.")
    return finding_of(
        NAME,
        worst,
        thresholds,
        says=says,
        means="what another model's gradient finds and this one's does not is hidden, not absent",
        images=subject.ids_of(images),
    )
