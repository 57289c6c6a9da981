"""Are the model's outputs logits?

Probabilities that are fed to a softmax cross-entropy go through a second softmax, whose gradient
is all but gone where the model is sure. It happened in the thesis's public code
(github.com/Kappa666/Attention-against-adversaries @ a2f5393, adversary.py), which attacked two of
its models so. Source: the checks of AutoAttack (Croce and Hein 2020). Cost: `images` forward
passes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from biorobust.checks.attacking import descent_like
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.honest import worst_case
from biorobust.checks.subject import Subject, examining

NAME = "logits"


class LogProbabilities(nn.Module):
    """The logarithm of a model's probabilities, which are logits: [B, 3, N, N] -> [B, classes].

    In float64 a softmax tells probabilities apart from 0 and 1 that float32 rounds to them.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training

    def forward(self, images: Tensor) -> Tensor:
        """Logits in float32."""
        probabilities: Tensor = self.model(images.double())
        return probabilities.clamp(min=torch.finfo(torch.float64).tiny).log().float()


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of images whose outputs are all in [0, 1] and sum to 1 within 1e-5.

    `thresholds`: warn, fail, images.
    """
    numbers = subject.chosen(thresholds["images"])
    outputs = subject.logits(subject.images[numbers]).double()
    inside = ((outputs >= 0) & (outputs <= 1)).all(1)
    found = inside & ((outputs.sum(1) - 1).abs() <= 1e-5)
    return finding_of(
        NAME,
        float(found.double().mean()),
        thresholds,
        says=f"The outputs of {int(found.sum())} of {len(numbers)} images are probabilities",
        means="an attack's cross-entropy applies a second softmax, which hides the gradient; "
        "leave out the model's last softmax",
        images=subject.ids_of(numbers[found]),
    )


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows that the attack gives on the logarithm of the probabilities."""
    del thresholds
    return worst_case(
        subject,
        lambda ball: [descent_like(ball.entry)],
        LogProbabilities(subject.model.in_double()),
    )
