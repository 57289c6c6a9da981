"""The thesis's training augmentation (§3.1), on whole batches and on any device.

Each image is cropped to a random square of 300 to 319 of its 320 pixels (the same share at other
sizes: 30 or 31 of 32), resized back bilinearly, and mirrored with probability one half. Each
image has its own draws.
"""

import torch
from torch import Tensor

DRAWS_PER_IMAGE = 4

_SMALLEST_CROP = 300 / 320


def crop_sizes(image_size: int) -> range:
    """The crop sizes that are drawn from at an image size, in pixels."""
    return range(round(image_size * _SMALLEST_CROP), image_size)


def augment(images: Tensor, draws: Tensor) -> Tensor:
    """Crop, resize back, mirror: images [B, C, N, N] float, draws [B, 4] in [0, 1) -> same shape.

    The draws choose, in order: crop size, row offset, column offset, mirroring. Resizing uses
    half-pixel centres and repeats the crop's edge, as TensorFlow 2's bilinear resize does.
    """
    size = images.shape[-1]
    sizes = crop_sizes(size)
    crop = sizes.start + (draws[:, 0] * len(sizes)).floor()  # (B,)
    row_offset, column_offset = ((size - crop + 1) * draws[:, k] for k in (1, 2))
    rows = _source_positions(size, crop, row_offset.floor())  # (B, N)
    columns = _source_positions(size, crop, column_offset.floor())
    mirrored = draws[:, 3] < 0.5
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    return _interpolate(_interpolate(images, rows, 2), columns, 3)


def _source_positions(size: int, crop: Tensor, offset: Tensor) -> Tensor:
    """Where in the image each of `size` output pixels reads: [B] and [B] -> [B, size]."""
    centres = torch.arange(size, device=crop.device, dtype=crop.dtype) + 0.5
    inside = centres[None, :] * (crop[:, None] / size) - 0.5
    last = (crop - 1)[:, None]
    return inside.clamp(min=0).minimum(last) + offset[:, None]


def _interpolate(images: Tensor, positions: Tensor, dimension: int) -> Tensor:
    """Linear interpolation of [B, C, N, N] along one axis at positions [B, N]."""
    low = positions.floor()
    fraction = positions - low
    index = low.to(torch.int64)
    following = (index + 1).clamp(max=images.shape[dimension] - 1)
    shape = [1, 1, 1, 1]
    shape[0], shape[dimension] = positions.shape
    fraction = fraction.view(shape)
    near, far = (
        images.gather(dimension, chosen.view(shape).expand(images.shape))
        for chosen in (index, following)
    )
    return near + (far - near) * fraction
