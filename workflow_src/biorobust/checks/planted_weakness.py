"""Does the attack find a weakness that is surely there?

The attack unit test: on the model's own logits a new decision is planted, "original" or "other",
such that random points well inside the ball are "original" and one known point on its surface is
"other". An adversarial image exists by construction, and the way to it leads through the whole
model, front end included. An attack that does not find one cannot find real ones either. Source:
Zimmermann et al. 2022, "Increasing Confidence in Adversarial Robustness Evaluations", whose
decision stands on the features below the last layer; on logits it needs to know no model's inside.
Cost: for each iterative attack, `images` * (30 + steps) forward passes and `images` * steps
backward at most.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from biorobust.attacks.norms import NORMS
from biorobust.checks.alone import share_of_flaws
from biorobust.checks.attacking import DESCENTS, Ball, attacked_alone, own_attack
from biorobust.checks.findings import Finding
from biorobust.checks.subject import Subject, examining

NAME = "planted_weakness"

# Random points inside the ball, up to half its radius, and on its surface.
_INNER, _OUTER = 20, 10


class Planted(nn.Module):
    """A decision on a model's logits: [B, 3, N, N] -> [B, 2], "original" and "other".

    "other" wins where the logits along `along` [classes] exceed `threshold`; at the original image
    it is behind by 1.
    """

    def __init__(self, model: nn.Module, along: Tensor, threshold: float, behind: float) -> None:
        super().__init__()
        self.model = model
        self.training = model.training
        self.along, self.threshold, self.behind = along, threshold, behind

    def forward(self, images: Tensor) -> Tensor:
        """The two logits."""
        logits: Tensor = self.model(images)
        other = (logits @ self.along.to(logits) - self.threshold) / self.behind
        return torch.stack([torch.zeros_like(other), other], dim=1)


@examining(NAME, DESCENTS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of planted weaknesses that the experiment's attack does not find.

    `thresholds`: warn, fail, images.
    """
    # Every original is of the first of two classes.
    binary = replace(subject, labels=torch.zeros_like(subject.labels))

    def missed(ball: Ball, number: int) -> bool | None:
        model = plant(subject, ball, number)
        if model is None:
            return None
        attack = own_attack(ball.entry)
        found, _ = attacked_alone(binary, attack, number, ball.epsilon, model=model)
        return not found.broken.all()

    return share_of_flaws(
        NAME,
        subject,
        thresholds,
        lambda _: subject.chosen(thresholds["images"]),
        missed,
        none="On no image could a weakness be planted.",
        says="{} of {} planted weaknesses were not found",
        means="the attack misses adversarial images that surely exist, so survival says little",
    )


def plant(subject: Subject, ball: Ball, number: int) -> Planted | None:
    """The decision for one image; None where no point on the surface stands out from those inside.

    Of several points on the surface, the one that stands out most.
    """
    image = subject.images[number]
    generator = torch.Generator().manual_seed(subject.seed * 1_000_003 + number)
    norm = NORMS[ball.entry.norm]
    points = torch.stack(
        [norm.random_start(image.shape, generator) for _ in range(_INNER + _OUTER)]
    )
    points[_INNER:] /= norm.size(points[_INNER:])[:, None, None, None]
    points[:_INNER] /= 2
    logits = subject.logits((image + ball.epsilon * points).clamp(0, 1))
    inner, outer = logits[:_INNER], logits[_INNER:]
    centre = inner.mean(0)
    best, chosen = 0.0, None
    for far in outer:
        along = (far - centre) / (far - centre).norm().clamp(min=1e-12)
        highest, reached = float((inner @ along).amax()), float(far @ along)
        if reached - highest > best:
            threshold = (reached + highest) / 2
            best = reached - highest
            chosen = Planted(subject.model, along, threshold, threshold - float(centre @ along))
    return chosen
