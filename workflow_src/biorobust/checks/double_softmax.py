"""What would the attack of the thesis's public code have made of this model?

It fed the probabilities of two of the thesis's models to a softmax cross-entropy, and the logits of
the others (github.com/Kappa666/Attention-against-adversaries @ a2f5393, adversary.py). Here every
attacked image goes through PGD on the probabilities, and its number is told beside the recorded
one, of every attack and whatever the verdict. It fails where the detour breaks what the attack on
the logits could not; honest rows count that in, since an image that fools the model is proof,
however it was found. Cost: for each iterative attack, attacked images * (2 + steps) forward passes
and attacked images * steps backward ones at most.
"""

import math
from collections.abc import Mapping

from torch import Tensor, nn

from biorobust.checks.attacking import DESCENTS, Ball, attacked, telling_balls
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.honest import worst_case
from biorobust.checks.subject import NotExamined, Subject, examining
from biorobust.checks.transferred import TransferredDescent

NAME = "double_softmax"


class Softmax(nn.Module):
    """A model whose outputs went through a softmax, plus 1: [B, 3, N, N] -> [B, classes].

    The second softmax, that of the attack's loss, does not feel the 1; but attacks refuse
    probabilities that are plain to see.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities, plus 1."""
        probabilities: Tensor = self.model(images).softmax(1)
        return probabilities + 1


@examining(NAME, DESCENTS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of test images that only the attack on probabilities broke.

    `thresholds`: warn, fail.
    """
    worst, told = 0.0, []
    images: set[int] = set()
    for ball in telling_balls(subject.recorded):
        numbers = subject.chosen(math.inf, ball.rows.attacked)
        if not len(numbers):
            continue
        found = attacked(subject, _doubled(subject, ball), numbers, ball.epsilon).broken
        survived = ball.rows.survived[numbers.numpy()]
        only = found.numpy() & survived
        images |= set(numbers[only].tolist())
        total = len(subject.images)
        worst = max(worst, float(only.sum() / total))
        doubled, plain = (100 * float(standing.sum()) / total for standing in (~found, survived))
        told.append(
            f"{ball} leaves {doubled:.1f}% of the images standing, on the logits {plain:.1f}%"
        )
    if not told:
        raise NotExamined("No image was attacked: the model classifies none correctly.")
    return finding_of(
        NAME,
        worst,
        thresholds,
        says=f"With a second softmax, {'; '.join(told)}",
        means="an attack that is worse placed breaks images that the better one missed",
        images=subject.ids_of(images),
    )


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows with what the attack on probabilities breaks besides."""
    del thresholds
    return worst_case(subject, lambda ball: [_doubled(subject, ball)])


def _doubled(subject: Subject, ball: Ball) -> TransferredDescent:
    """PGD on the probabilities, whose images the model itself judges: in float32 two of them may
    be equal where the logits are not.
    """
    return TransferredDescent(Softmax(subject.model), **ball.entry.config)
