"""Retinal warp: sharp around the gaze, ever coarser towards the periphery.

An image [B, C, N, N] and a gaze go in, a view of the same size comes out. With p an output pixel,
q = p - (N - 1)/2 - gaze its offset from the fovea and rho = |q|, the view shows the source point

    s = (a rho + b) q + gaze + N/2      in the image with 2 pixels of zeros on each side,

each axis clipped to [0, N + 2]: the polar map of radius rho to a rho^2 + b rho, without the
singularity at the fovea. Outside the image the view is black. Because the padding is not taken
off again, the view is shifted by 1.5 pixels against the image, in the published systems as here.

Source: Vuyyuru et al. 2020 and their public code (github.com/mvuyyuru/adversary @ d45b6ac,
glimpse.py), after Bashivan et al. 2019 (github.com/dicarlolab/retinawarp). Where s falls between
pixels, nearest rounds it, as the published code does; truncated cuts it off to whole pixels, as
thesis 3.2 describes that code, which moves the view by half a pixel more; bilinear is what thesis
3.2 puts in their place.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biorobust.sampling.resampling import FixedBilinear
from biorobust.sampling.tracing import is_traced

_TO_PIXELS = {"nearest": torch.round, "truncated": torch.floor}
INTERPOLATIONS = ("bilinear", *_TO_PIXELS)

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
    "nearest" (half to even) and "truncated" in images alone. Raises ValueError for other shapes,
    types, sizes (N is a multiple of 8, from 32 up) or interpolations.
    """
    sampler = RetinalSampler(images.shape[-1], interpolation)
    sampler.solve()
    return sampler.warp(images, gazes)


class RetinalSampler(nn.Module):
    """The retinal warp as a part of a model, which keeps its coefficients with the weights.

    image_size: N; interpolation: "bilinear", "nearest" or "truncated". The coefficients (a, b) are
    a float64 buffer [2], NaN until `solve` (a new model) or `load_state_dict` (a trained one,
    without scipy). Raises ValueError for an unknown interpolation.
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
        self._fixed: tuple[Any, Callable[[Tensor], Tensor]] | None = None
        self._windows: dict[tuple[torch.device, torch.dtype], Tensor] = {}
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
        self._fixed = None
        self._windows.clear()

    def warp(self, images: Tensor, gazes: Tensor) -> Tensor:
        """Each image under its own gaze: images [B, C, N, N], gazes [B, 2] -> [B, C, N, N]."""
        self._require_images(images)
        self._require_gazes(gazes, len(images))
        return self._sample(images, self._grid(gazes.to(images.device), images.dtype))

    def warp_whole(self, images: Tensor, gazes: Tensor) -> Tensor:
        """As `warp`, for gazes that are integers of any size: where they look is read from a table.

        "nearest" and "truncated" give the very pixels of `warp`; "bilinear" agrees with it to the
        rounding of a coordinate. The table of 25 N^2 numbers is made on first use, for each device
        and type, and serves all gazes. Raises ValueError for gazes that are not integers.
        """
        self._require_images(images)
        self._require_gazes(gazes, len(images))
        if gazes.is_floating_point():
            raise ValueError(f"gazes are {gazes.dtype}; expected integers")
        key = (images.device, images.dtype)
        windows = self._windows.get(key)
        if windows is None:
            windows = self._gaze_windows(*key)
            if not is_traced(images):
                self._windows[key] = windows
        reach = windows.shape[0] // 2
        gazes = gazes.to(images.device, torch.int64).clamp(-reach, reach)
        row, column = (reach - gazes).unbind(dim=1)
        shift = (gazes.to(images.dtype) / self._middle)[:, :, None, None]  # [B, 2, 1, 1]
        y = windows[row, column] + shift[:, 0]  # [B, N, N]
        # The map is its own mirror image in the diagonal: one half of the table serves both axes.
        x = windows[column, row].mT + shift[:, 1]
        return self._sample(images, torch.stack([x, y], dim=-1))

    def warp_fixed(self, images: Tensor, gazes: Sequence[tuple[float, float]]) -> Tensor:
        """All images under each of G gazes: [B, C, N, N] -> [G * B, C, N, N], gaze by gaze.

        Where the gazes look is kept until other gazes, or images of another device or type, come.
        """
        self._require_images(images)
        key = (tuple(gazes), images.device, images.dtype)
        fixed = self._fixed
        if fixed is None or fixed[0] != key:
            # A validation pass may come first; what it computes must serve gradients as well.
            with torch.inference_mode(False), torch.no_grad():
                fixed = (key, self._fixed_sampling(gazes, images))
            if not is_traced(images):
                self._fixed = fixed
        sampling = fixed[1]
        # Images as channels of one: where a gaze looks is then read once for all of them.
        return sampling(images.flatten(0, 1)).view(-1, *images.shape[1:])

    def _fixed_sampling(
        self, gazes: Sequence[tuple[float, float]], images: Tensor
    ) -> Callable[[Tensor], Tensor]:
        """Planes [C, N, N], of the images' device and type, under each of G gazes: [G, C, N, N]."""
        table = torch.tensor(gazes, dtype=torch.float64, device=images.device)
        grid = self._grid(table, torch.float64)
        # How many entries its matrices have depends on numbers, which a placeholder does not have.
        on_cpu = images.device.type == "cpu" and not is_traced(images)
        if self.interpolation == "bilinear" and on_cpu:
            # One thread, 4 images, N = 320, five gazes: 11 ms, and 26 ms with the backward pass;
            # grid_sample takes 24 and 100 ms. For nearest it is 8 and 20 against 8 and 26 ms.
            return FixedBilinear((grid + 1) * self._middle, images.dtype)
        grid = grid.to(images.dtype)
        return lambda planes: self._sample(planes.expand(len(grid), -1, -1, -1), grid)

    def _require_images(self, images: Tensor) -> None:
        size = self.image_size
        if images.ndim != 4 or images.shape[-2:] != (size, size):
            raise ValueError(f"images are {list(images.shape)}; expected [B, C, {size}, {size}]")
        if images.dtype not in (torch.float32, torch.float64):
            # A coordinate in half precision is off by up to a quarter of a pixel at N = 320.
            raise ValueError(f"images are {images.dtype}; expected float32 or float64")

    @staticmethod
    def _require_gazes(gazes: Tensor, count: int) -> None:
        if gazes.shape != (count, 2):
            raise ValueError(f"gazes are {list(gazes.shape)}; expected [{count}, 2]")

    @property
    def _middle(self) -> float:
        return (self.image_size - 1) / 2

    def _gaze_windows(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """The y of `_grid`, less the gaze's, for all whole gazes: a view [4N + 1, 4N + 1, N, N].

        The source point less the gaze depends on pixel less gaze alone. So a gaze's grid is the
        centre's, moved, and a window of the centre's grid taken beyond the image; at [2N - row,
        2N - column] it is that of gaze (row, column). Farther out than 2N every view is black:
        there the map carries all pixels past the image's other side.
        """
        size, reach = self.image_size, 2 * self.image_size
        with torch.inference_mode(False), torch.no_grad():
            centre = torch.zeros(1, 2, dtype=torch.float64, device=device)
            y = self._grid(centre, torch.float64, margin=reach)[0, :, :, 1]
            return y.to(dtype).contiguous().unfold(0, size, 1).unfold(1, size, 1)

    def _grid(self, gazes: Tensor, dtype: torch.dtype, margin: int = 0) -> Tensor:
        """Source points as (x, y), from -1 at the first pixel to 1 at the last: [G, N, N, 2].

        With a margin M, as if the view had M further pixels on each side: [G, N + 2M, N + 2M, 2].
        """
        if self._known is None:
            raise RuntimeError("the retinal warp has no coefficients; solve or load them first")
        a, b = self._known
        to_pixels = _TO_PIXELS.get(self.interpolation)
        # Rounding must see the exact coordinate; float32 would send a few pixels next door.
        gazes = gazes.detach().double() if to_pixels else gazes.to(dtype)
        middle = self._middle
        pixels = torch.arange(
            -margin, self.image_size + margin, dtype=gazes.dtype, device=gazes.device
        )
        pixels = pixels - middle
        row = pixels[:, None] - gazes[:, 0, None, None]  # [G, N, 1]
        column = pixels[None, :] - gazes[:, 1, None, None]  # [G, 1, N]
        # The root's slope is infinite at the fovea; the clamp makes it 0, which is the limit of
        # the slope of rho q.
        rho = (row**2 + column**2).clamp_min(torch.finfo(gazes.dtype).tiny).sqrt()
        scale = a * rho + b  # [G, N, N]
        x = scale * column + gazes[:, 1, None, None] + self.image_size / 2
        y = scale * row + gazes[:, 0, None, None] + self.image_size / 2
        source = torch.stack([x, y], dim=-1)
        if to_pixels:
            source = to_pixels(source)
        return ((source - (2 + middle)) / middle).to(dtype)

    def _sample(self, images: Tensor, grid: Tensor) -> Tensor:
        # Zeros outside the image are the two padded pixels and the clip at once: both read 0 from
        # one pixel beyond the border on.
        mode = "nearest" if self.interpolation in _TO_PIXELS else "bilinear"
        return F.grid_sample(images, grid, mode=mode, padding_mode="zeros", align_corners=True)
