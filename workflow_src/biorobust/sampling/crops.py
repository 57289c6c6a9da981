"""Crops: square windows around gazes, at whole pixels or, for gazes that are learnt, between them.

A gaze is (row, column) in pixels from the image centre; a window of `size` pixels begins, along
each axis, at pixel N // 2 - size // 2 + gaze, as in the public code of Vuyyuru et al. 2020
(github.com/mvuyyuru/adversary @ d45b6ac, glimpse.py). At a whole gaze a pixel
goes through unchanged, and its gradient back, or neither.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from biorobust.sampling.windows import first_pixel


def crop_at_gazes(images: Tensor, gazes: Tensor, size: int) -> Tensor:
    """A window of each image around its own gaze: [B, C, N, N] -> [B, C, size, size].

    gazes: [B, 2], whole numbers. Differentiable in the images. Raises ValueError where shapes or
    types are others, or a window would leave its image (for which an accelerator is waited for).
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError(f"images are {list(images.shape)}; expected [B, C, N, N]")
    if gazes.shape != (images.shape[0], 2):
        raise ValueError(f"gazes are {list(gazes.shape)}; expected [{images.shape[0]}, 2]")
    if gazes.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"gazes are {gazes.dtype}; expected whole pixels, as int64")
    corners = gazes.to(images.device, torch.int64) + first_pixel(images.shape[-1], size)
    outside = ((corners < 0) | (corners > images.shape[-1] - size)).any(dim=1)
    if outside.any():
        row, column = gazes[outside.to(gazes.device)][0].tolist()
        raise _outside(row, column, images.shape[-1], size)
    steps = torch.arange(size, device=images.device)
    rows, columns = (corners[:, :, None] + steps).unbind(dim=1)  # [B, size]
    batch, channels, _, width = images.shape
    # Two gathers read each pixel at most once, so that gradients are sums of one term: the same
    # bits every time, on accelerators too.
    strips = images.gather(2, rows[:, None, :, None].expand(batch, channels, size, width))
    return strips.gather(3, columns[:, None, None, :].expand(batch, channels, size, size))


def crop_fixed(images: Tensor, gazes: Sequence[tuple[int, int]], size: int) -> Tensor:
    """A window of all images around each of G gazes: [B, C, N, N] -> [G * B, C, size, size].

    Gaze by gaze: first all images around the first. Raises ValueError where a window would leave
    the images.
    """
    windows = []
    for row, column in gazes:
        top, left = (first_pixel(images.shape[-1], size) + offset for offset in (row, column))
        if min(top, left) < 0 or max(top, left) + size > images.shape[-1]:
            raise _outside(row, column, images.shape[-1], size)
        windows.append(images[:, :, top : top + size, left : left + size])
    return torch.cat(windows)


def crop_bilinear(images: Tensor, gazes: Tensor, size: int) -> Tensor:
    """A window of each image around its own gaze: [B, C, N, N] -> [B, C, size, size].

    images: float32 or float64; gazes: [B, 2], whole or not. Differentiable in images and gazes;
    black outside the image. Raises ValueError for other shapes.
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError(f"images are {list(images.shape)}; expected [B, C, N, N]")
    if gazes.shape != (images.shape[0], 2):
        raise ValueError(f"gazes are {list(gazes.shape)}; expected [{images.shape[0]}, 2]")
    image_size = images.shape[-1]
    steps = torch.arange(size, dtype=images.dtype, device=images.device)
    pixels = gazes.to(images)[:, :, None] + (first_pixel(image_size, size) + steps)  # [B, 2, size]
    rows, columns = (2 / (image_size - 1) * pixels - 1).unbind(dim=1)
    shape = (len(images), size, size)
    grid = torch.stack([columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)], dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def _outside(row: int, column: int, image_size: int, size: int) -> ValueError:
    if size > image_size:
        return ValueError(f"a window of {size} pixels is larger than the image, {image_size}")
    start = first_pixel(image_size, size)
    return ValueError(
        f"gaze ({row}, {column}) takes a window of {size} pixels out of the image of {image_size}; "
        f"it may go from {-start} to {image_size - size - start} along each axis"
    )
