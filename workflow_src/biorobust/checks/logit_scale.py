"""Would the attack break more if the model were less sure of itself?

The same model with its logits divided by a number has the same predictions, so its images are as
robust; an attack that breaks more of them then was stopped by the size of the logits. Only this
direction counts, and the logits are made small, not large: "the same robust accuracy with logits
times 10" fails honest models, whose attack takes other ways at another scale, and finds a few
images that the other missed and misses a few. Here the logits are brought to a typical margin of
1, where no loss is saturated. Source: own, after Carlini and Wagner 2017. Cost: for each iterative
attack, survivors * steps forward passes and as many backward ones, and one pass of the correct
images.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from biorobust.attacks.base import ImageAttack
from biorobust.attacks.losses import margin
from biorobust.checks.attacking import DESCENTS, Ball, descent_options, own_attack
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.honest import worst_case
from biorobust.checks.outdone import outdone
from biorobust.checks.subject import Subject, examining
from biorobust.checks.transferred import TransferredDescent

NAME = "logit_scale"


class Divided(nn.Module):
    """A model whose logits are divided by a number; its mode is the model's."""

    def __init__(self, model: nn.Module, by: float) -> None:
        super().__init__()
        self.model = model
        self.by = by
        self.training = model.training

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, N, N] -> [B, classes]."""
        logits: Tensor = self.model(images)
        return logits / self.by


@examining(NAME, DESCENTS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to the same attack at a typical margin of 1.

    `thresholds`: warn, fail.
    """
    size = _typical_margin(subject)
    return outdone(
        NAME,
        subject,
        thresholds,
        lambda ball: [own_attack(ball.entry)],
        model=Divided(subject.model, size),
        by=f"the same attack with logits divided by their typical margin, {size:.3g}",
        means="the attack is stopped by the size of the logits, which says nothing of robustness; "
        "attack by the margin of the logits",
    )


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows that an attack on the margin gives, at a typical margin of 1."""
    del thresholds

    small = Divided(subject.model, _typical_margin(subject))

    def rivals(ball: Ball) -> list[ImageAttack]:
        options = {**descent_options(ball.entry), "loss": "margin"}
        return [TransferredDescent(small, **options)]

    return worst_case(subject, rivals)


def _typical_margin(subject: Subject) -> float:
    """The median of how far the right class's logit is ahead, over correct images."""
    numbers = subject.classified(len(subject.images))
    ahead = -margin(subject.logits(subject.images[numbers]), subject.labels[numbers])
    return max(float(ahead.median()), 1e-6)
