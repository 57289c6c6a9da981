"""Cortical sampling: one fixation at several scales, ever wider and coarser, all of one size.

An image [B, C, N, N] and a gaze go in, and for each scale a view [B, C, v, v]: a window of rho v
pixels around the gaze, cropped, then filtered by a Gaussian of radius rho (so that its border is
dark), then sampled at every rho-th pixel from rho // 2 on. Which scales: see
`windows.cortical_windows`.

Source: Vuyyuru et al. 2020 and their public code (github.com/mvuyyuru/adversary @ d45b6ac,
glimpse.py); thesis 2.4.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from biorobust.sampling.crops import crop_at_gazes, crop_bilinear, crop_fixed
from biorobust.sampling.gaussian import gaussian_filter
from biorobust.sampling.windows import CorticalWindows, cortical_windows


def cortical_scales(
    images: Tensor,
    gazes: Tensor,
    *,
    radii: Sequence[int] | None = None,
    view_size: int | None = None,
    freeze_widest: bool = False,
) -> list[Tensor]:
    """Each image at every scale around its own gaze: by default four of [B, C, N/8, N/8].

    images: [B, C, N, N], floats; gazes: [B, 2], (row, column) in pixels from the image centre,
    whole ones as integers. Gazes that are floats may lie between pixels: each window is then
    interpolated bilinearly before it is filtered, and is black where it leaves the image. Without
    options the windows are N/8, N/4, N/2 and 3N/4 wide and are sampled at every 1st, 2nd, 4th and
    6th pixel; the options are those of `windows.cortical_windows`, in pixels. Differentiable in
    the images and in gazes that are floats. Raises ValueError for other shapes and types,
    impossible options and a whole gaze that takes a window out of the image (without options,
    beyond N/8 either way).
    """
    windows = cortical_windows(
        images.shape[-1], radii=radii, view_size=view_size, freeze_widest=freeze_widest
    )
    return cortical_views(images, gazes, windows)


def cortical_views(images: Tensor, gazes: Tensor, windows: CorticalWindows) -> list[Tensor]:
    """Each image at every scale around its own gaze; as `cortical_scales`."""
    crop = crop_bilinear if gazes.is_floating_point() else crop_at_gazes
    looks = [gazes] * len(windows.radii)
    if windows.freeze_widest:
        looks[-1] = torch.zeros_like(gazes)
    return [
        gaussian_filter(crop(images, look, size), radius, stride=radius)
        for look, size, radius in zip(looks, windows.sizes, windows.radii, strict=True)
    ]


def cortical_views_fixed(
    images: Tensor, gazes: Sequence[tuple[int, int]], windows: CorticalWindows
) -> list[Tensor]:
    """All images at every scale around each of G gazes: for each scale [G * B, C, v, v].

    Gaze by gaze: first all images around the first. Raises ValueError where a window would leave
    the images.
    """
    looks = [list(gazes)] * len(windows.radii)
    if windows.freeze_widest:
        looks[-1] = [(0, 0)] * len(gazes)
    return [
        gaussian_filter(crop_fixed(images, look, size), radius, stride=radius)
        for look, size, radius in zip(looks, windows.sizes, windows.radii, strict=True)
    ]
