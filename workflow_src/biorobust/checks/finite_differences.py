"""Is the gradient that the attack follows the model's own slope?

A gradient can be there and be wrong: rounding with a made-up backward pass, or a part of the model
cut off from it. Here, in float64, the slope along random directions is measured by central
differences and held against the gradient. At an image itself even an honest model fails this:
where the background is of one colour, the inputs of a max-pooling are equal, exactly at a kink. So
it is done beside the image, which is blended with a little noise; and since a rectifier, or a
sampling point between two pixels, may still switch on the way, the median direction counts.
Honest rows are those of an attack that needs no gradient: which part of this one is wrong is not
known, so that none made of it could be trusted.
Source: own; the classical check of gradients. Cost, in float64: `images` * (1 + 2 * `directions`)
forward and `images` backward passes.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from biorobust.attacks.losses import cross_entropy_margin
from biorobust.checks import black_box
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.subject import Subject, examining

NAME = "finite_differences"

honest = black_box.honest

# In pixels, along a direction of length 1: far from rounding (1e-16), and near enough that
# hardly any rectifier switches in between.
_STEP = 1e-6

_NOISE = 0.02


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the worst image's error, the median over directions of slope minus gradient, as a
    share of the root mean square of the larger of the two.

    `thresholds`: warn, fail, images, directions.
    """
    numbers = subject.chosen(thresholds["images"])
    exact = replace(subject, model=subject.model.in_double())
    labels = subject.labels[numbers]
    generator = torch.Generator().manual_seed(subject.seed)
    shape = subject.images[numbers].shape
    noise = torch.rand(shape, dtype=torch.float64, generator=generator)
    images = torch.lerp(subject.images[numbers].double(), noise, _NOISE)
    gradients = exact.gradients(images, labels, cross_entropy_margin)
    slopes, expected = [], []
    for _ in range(int(thresholds["directions"])):
        drawn = torch.randn(shape, dtype=torch.float64, generator=generator)
        direction = drawn / drawn.flatten(1).norm(dim=1)[:, None, None, None]
        ahead, behind = (
            cross_entropy_margin(exact.logits(images + sign * _STEP * direction), labels)
            for sign in (1, -1)
        )
        slopes.append((ahead - behind) / (2 * _STEP))
        expected.append((gradients * direction).flatten(1).sum(1))
    errors = _relative_errors(torch.stack(slopes), torch.stack(expected))
    return finding_of(
        NAME,
        float(errors.amax()),
        thresholds,
        says=f"On {len(numbers)} images the gradient differs from measured slopes by at most "
        f"{float(errors.amax()):.2g} of their size",
        means="the gradient is not the model's own, so an attack is led astray; look for rounding, "
        "detached parts, or a backward pass that was written by hand",
        images=subject.ids_of(numbers[errors > thresholds["warn"]]),
    )


def _relative_errors(slopes: Tensor, expected: Tensor) -> Tensor:
    """Per image, [directions, m] and [directions, m] -> [m]; 0 where both are flat."""

    def size(values: Tensor) -> Tensor:
        return values.square().mean(0).sqrt()

    larger = torch.maximum(size(slopes), size(expected))
    error = (slopes - expected).abs().median(0).values / larger
    return torch.where(larger == 0, torch.zeros_like(error), error)
