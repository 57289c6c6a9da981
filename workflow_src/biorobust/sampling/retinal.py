"""Retinal warp: sharp around the gaze, ever coarser towards the periphery.

An image [B, C, N, N] and a gaze go in, a view of the same size comes out. With p an output pixel,
q = p - (N - 1)/2 - gaze its offset from the fovea and rho = |q|, the view shows the source point

    s = (a rho + b) q + gaze + N/2      in the image with 2 pixels of zeros on each side,

each axis clipped to [0, N + 2]: the polar map of radius rho to a rho^2 + b rho, without the
singularity at the fovea. Outside the image the view is black. Because the padding is not taken
off again, the view is shifted by 1.5 pixels against the image, in the published systems as here.

Source: Vuyyuru et al. 2020 and their public code (github.com/mvuyyuru/adversary @ d45b6ac,
glimpse.py), after Bashivan et al. 2019 (github.com/dicarlolab/retinawarp). Nearest is the
published sampling (rounded, although thesis 3.2 says truncated); bilinear is that of thesis 3.2.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INTERPOLATIONS = ("bilinear", "nearest")

_DENSITY_RATIO = 10.0  # fovea to edge, in samples per area


@cache
def solve_warp(image_size: int) -> tuple[float, float]:
    """Coefficients (a, b) of the eccentricity map g(rho) = a rho^2 + b rho, in pixels.

    Radii of concentric samples grow from the fovea by exp(k r / 2) / sqrt(pi density), where k
    makes the density fall tenfold towards the edge and the central density is solved for, so that
    the last of N/2 radii falls on the edge, N/2. The least-squares quadratic through them is the
    map, as in the published code. Raises ValueError unless N is a multiple of 8, from 32 up.
    """
    if image_size < 32 or image_size % 8:
        raise ValueError(f"image_size is {image_size}; it must be a multiple of 8, from 32 up")
    # Only new models solve for their warp: whoever loads a model must not pay for scipy.
    import numpy as np
    from scipy.optimize import brenth, curve_fit

    edge = image_size // 2
    growth = math.log(_DENSITY_RATIO) / edge

    def radii(density: float) -> list[float]:
        found = [0.0]
        for _ in range(edge - 1):
            found.append(
                found[-1] + math.exp(growth * found[-1] / 2) / math.sqrt(math.pi * density)
            )
        return found

    def overshoot(density: float) -> float:
        try:
            return radii(density)[-1] - edge
        except OverflowError:
            return math.inf

    density = brenth(overshoot, 0.01, 5.0)
    (a, b), _ = curve_fit(
        lambda rho, a, b: a * rho**2 + b * rho,
        np.arange(edge, dtype=float),
        np.array(radii(density)),
        p0=(0.0, 0.4),
        bounds=(0.0, np.inf),
    )
    return float(a), float(b)


def retinal_warp(images: Tensor, gazes: Tensor, interpolation: str = "bilinear") -> Tensor:
    """Retinal views of images, each seen from its own gaze.

    images: [B, C, N, N], float32 or float64; gazes: [B, 2], (row, column) in pixels from the image
    centre, whole or not. Returns [B, C, N, N]. "bilinear" is differentiable in images and gazes,
    "nearest" (half to even) in images alone. Raises ValueError for other shapes, types, sizes (N
    is a multiple of 8, from 32 up) or interpolations.
    """
    sampler = RetinalSampler(images.shape[-1], interpolation)
    sampler.solve()
    return sampler.warp(images, gazes)


class RetinalSampler(nn.Module):
    """The retinal warp as a part of a model, which keeps its coefficients with the weights.

    image_size: N; interpolation: "bilinear" or "nearest". The coefficients (a, b) are a float64
    buffer [2], NaN until `solve` (a new model) or `load_state_dict` (a trained one, without
    scipy). Raises ValueError for an unknown interpolation.
    """

    coefficients: Tensor

    def __init__(self, image_size: int, interpolation: str) -> None:
        super().__init__()
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation is {interpolation!r}; it must be one of {', '.join(INTERPOLATIONS)}"
            )
        self.image_size = image_size
        self.interpolation = interpolation
        self.register_buffer("coefficients", torch.full((2,), math.nan, dtype=torch.float64))
        self._known: tuple[float, float] | None = None
        self._fixed_grids: dict[Any, Tensor] = {}
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            lambda module, _: module._adopt()
        )

    def solve(self) -> None:
        """Compute the coefficients for this image size; needs scipy. Raises as `solve_warp`."""
        self.coefficients.copy_(torch.tensor(solve_warp(self.image_size), dtype=torch.float64))
        self._adopt()

    def _adopt(self) -> None:
        # Read once: a look at the buffer in each pass would stall an accelerator.
        a, b = self.coefficients.tolist()
        self._known = (a, b)
        self._fixed_grids.clear()

    def warp(self, images: Tensor, gazes: Tensor) -> Tensor:
        """Each image under its own gaze: images [B, C, N, N], gazes [B, 2] -> [B, C, N, N]."""
        self._require_images(images)
        if gazes.shape != (images.shape[0], 2):
            raise ValueError(f"gazes are {list(gazes.shape)}; expected [{images.shape[0]}, 2]")
        return self._sample(images, self._grid(gazes.to(images.device), images.dtype))

    def warp_fixed(self, images: Tensor, gazes: Sequence[tuple[float, float]]) -> Tensor:
        """All images under each of G gazes: [B, C, N, N] -> [G * B, C, N, N], gaze by gaze.

        Where each gaze looks is computed once per device and kept, so `gazes` must not vary.
        """
        self._require_images(images)
        key = (tuple(gazes), images.device, images.dtype)
        if key not in self._fixed_grids:
            # A validation pass may come first; what it computes must serve gradients as well.
            with torch.inference_mode(False), torch.no_grad():
                table = torch.tensor(gazes, dtype=torch.float64, device=images.device)
                self._fixed_grids[key] = self._grid(table, images.dtype)
        grid = self._fixed_grids[key]
        # Images as channels of one: a gaze's grid is then read once for all of them.
        folded = images.reshape(1, -1, *images.shape[2:]).expand(len(gazes), -1, -1, -1)
        return self._sample(folded, grid).view(-1, *images.shape[1:])

    def _require_images(self, images: Tensor) -> None:
        size = self.image_size
        if images.ndim != 4 or images.shape[-2:] != (size, size):
            raise ValueError(f"images are {list(images.shape)}; expected [B, C, {size}, {size}]")
        if images.dtype not in (torch.float32, torch.float64):
            # A coordinate in half precision is off by up to a quarter of a pixel at N = 320.
            raise ValueError(f"images are {images.dtype}; expected float32 or float64")

    def _grid(self, gazes: Tensor, dtype: torch.dtype) -> Tensor:
        """Source points as (x, y), from -1 at the first pixel to 1 at the last: [G, N, N, 2]."""
        if self._known is None:
            raise RuntimeError("the retinal warp has no coefficients; solve or load them first")
        a, b = self._known
        nearest = self.interpolation == "nearest"
        # Rounding must see the exact coordinate; float32 would send a few pixels next door.
        gazes = gazes.detach().double() if nearest else gazes.to(dtype)
        middle = (self.image_size - 1) / 2
        pixels = torch.arange(self.image_size, dtype=gazes.dtype, device=gazes.device) - middle
        row = pixels[:, None] - gazes[:, 0, None, None]  # [G, N, 1]
        column = pixels[None, :] - gazes[:, 1, None, None]  # [G, 1, N]
        # The root's slope is infinite at the fovea; the clamp makes it 0, which is the limit of
        # the slope of rho q.
        rho = (row**2 + column**2).clamp_min(torch.finfo(gazes.dtype).tiny).sqrt()
        scale = a * rho + b  # [G, N, N]
        x = scale * column + gazes[:, 1, None, None] + self.image_size / 2
        y = scale * row + gazes[:, 0, None, None] + self.image_size / 2
        source = torch.stack([x, y], dim=-1)
        if nearest:
            source = source.round()
        return ((source - (2 + middle)) / middle).to(dtype)

    def _sample(self, images: Tensor, grid: Tensor) -> Tensor:
        # Zeros outside the image are the two padded pixels and the clip at once: both read 0 from
        # one pixel beyond the border on. One thread, forward and backward, five gazes: nearest
        # takes 3 ms (64 images, N = 32) and 26 ms (4 images, N = 320), and gather or index_select
        # 3-4 ms and 20-32 ms; so both interpolations share this kernel.
        return F.grid_sample(
            images, grid, mode=self.interpolation, padding_mode="zeros", align_corners=True
        )
