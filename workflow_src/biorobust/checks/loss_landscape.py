"""Is the loss around an image smooth enough to follow?

Points at random within 8/255 of an image, which look the same to anyone, should have nearly the
loss of the image; where the loss jumps about, a gradient says nothing beyond its point. The loss
is the margin of the logits, as a share of the image's own margin: a relative change of the
cross-entropy, as published, is huge wherever an honest model is sure and the loss next to nothing.
Source: Pintor et al. 2022, "Indicators of Attack Failure" (noisy or unstable gradients). Cost:
`images` * (1 + `points`) forward passes.
"""

from collections.abc import Mapping

import torch

from biorobust.attacks.losses import margin
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.subject import Subject, examining

NAME = "loss_landscape"

_RADIUS = 8 / 255


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the median image's mean change of the margin, as a share of it.

    `thresholds`: warn, fail, images, points.
    """
    numbers = subject.classified(thresholds["images"])
    images, labels = subject.images[numbers], subject.labels[numbers]
    here = margin(subject.logits(images), labels)
    generator = torch.Generator().manual_seed(subject.seed)
    changes = []
    for _ in range(int(thresholds["points"])):
        noise = _RADIUS * (2 * torch.rand(images.shape, generator=generator) - 1)
        there = margin(subject.logits((images + noise).clamp(0, 1)), labels)
        changes.append(((there - here) / here).abs())
    relative = torch.stack(changes).mean(0)
    figure = float(relative.median())
    return finding_of(
        NAME,
        figure,
        thresholds,
        says=f"Within 8/255 of an image the margin changes by {figure:.2g} of itself, on average",
        means="the loss is too rugged for a gradient to lead anywhere; believe attacks without "
        "gradients, or smooth the loss",
        images=subject.ids_of(numbers[relative > thresholds["fail"]]),
    )
