"""Misclassified images for attacks that begin far away and walk towards the original."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from biorobust.attacks.base import Queried

# The side of a patch of one colour. Noise in single pixels alone tends to end in one class, so
# that images of just this class would find no start.
_PATCHES = (1, 2, 4, 8, 16)
_BLENDS = 50


def starting_points(
    model: Queried, images: Tensor, labels: Tensor, directions: int
) -> tuple[Tensor, Tensor]:
    """Misclassified images near the originals: ([n, C, H, W], found [n]).

    Up to `directions` times, each image that has none yet draws uniform noise, in patches of one
    of several sizes in turn; the first that the model misclassifies counts. It is then blended
    with the original, as much of it as stays misclassified on a line of 50 points. Where nothing
    is found the original stands.
    """
    starts, found = images.clone(), torch.zeros_like(labels, dtype=torch.bool)
    with torch.no_grad():
        for direction in range(directions):
            drawn = _noise(images, _PATCHES[direction % len(_PATCHES)])
            new = (model(drawn).argmax(1) != labels) & ~found
            starts[new], found = drawn[new], found | new
            if found.all():
                break
        return _blended(model, images, labels, starts), found


def _noise(like: Tensor, patch: int) -> Tensor:
    """Uniform noise in the shape of [n, C, H, W], constant on patches of this side."""
    height, width = like.shape[2:]
    coarse = torch.rand(
        *like.shape[:2], -(-height // patch), -(-width // patch), device=like.device
    )
    return interpolate(coarse, scale_factor=patch, mode="nearest")[:, :, :height, :width]


def _blended(model: Queried, images: Tensor, labels: Tensor, starts: Tensor) -> Tensor:
    """The points nearest to the originals, on the way to the starts, that are misclassified."""
    nearest, settled = starts.clone(), torch.zeros_like(labels, dtype=torch.bool)
    for step in range(1, _BLENDS):
        blend = torch.lerp(images, starts, step / _BLENDS)
        new = (model(blend).argmax(1) != labels) & ~settled
        nearest[new], settled = blend[new], settled | new
        if settled.all():
            break
    return nearest
