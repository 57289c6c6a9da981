"""The common form of many checks: does another attack break what the experiment's could not?

Compared is per image, never by averages: each image that survived is attacked again, at the
epsilon where an attack tells most.
"""

import math
from collections.abc import Callable, Mapping

from torch import nn

from biorobust.attacks.base import ImageAttack
from biorobust.checks.attacking import DESCENTS, NO_SURVIVORS, Ball, attacked, telling_balls
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.honest import Honest, worst_case
from biorobust.checks.subject import Check, NotExamined, Subject, examining

Rivals = Callable[[Ball], list[ImageAttack]]


def rivalry(name: str, rivals: Rivals, *, by: str, means: str) -> tuple[Check, Honest]:
    """The functions `check` and `honest` of a check that only names its rivals: see `outdone`.

    Honest rows are those of the worst case over the attack and its rivals.
    """

    @examining(name, DESCENTS)
    def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
        return outdone(name, subject, thresholds, rivals, by=by, means=means)

    def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
        del thresholds
        return worst_case(subject, rivals)

    return check, honest


def outdone(
    name: str,
    subject: Subject,
    thresholds: Mapping[str, float],
    rivals: Rivals,
    *,
    by: str,
    means: str,
    model: nn.Module | None = None,
) -> Finding:
    """The finding on survivors that one of the rivals breaks.

    Figure: by how much that lowers the adversarial accuracy, the worst of all attacks. Where only
    a sample of `thresholds["images"]` survivors is attacked, it stands for the others. `by` names
    the rivals in the middle of a sentence; `model` is another form of the subject's, with the same
    predictions. Raises NotExamined where nobody survived.
    """
    worst, says, images = -math.inf, "", []
    for ball in telling_balls(subject.recorded):
        survived = ball.rows.survived
        if not survived.any():
            continue
        tried = subject.chosen(thresholds.get("images", math.inf), survived)
        left = tried
        for rival in rivals(ball):
            if len(left):
                left = left[~attacked(subject, rival, left, ball.epsilon, model=model).broken]
        newly = len(tried) - len(left)
        figure = newly / len(tried) * int(survived.sum()) / len(survived)
        images += [number for number in tried.tolist() if number not in left.tolist()]
        if figure > worst:
            worst = figure
            says = f"Of {len(tried)} images that survived {ball}, {newly} fell to {by}"
    if not says:
        raise NotExamined(NO_SURVIVORS)
    ids = subject.ids_of(images)
    return finding_of(name, worst, thresholds, says=says, means=means, images=ids)
