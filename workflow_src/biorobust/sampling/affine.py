"""Affine views: an image seen through a linear map of its plane, as spatial transformers see it.

Images [B, 3, N, N] and transforms [B, 2, 3] go in, views of the same size come out. Both planes
run from -1 to 1 along either axis, x to the right and y downwards; the view at (x, y) shows the
image at

    (x_s, y_s) = transform (x, y, 1),      in pixels ((x_s + 1)/2 (N - 2), (y_s + 1)/2 (N - 2)).

N - 2 where N - 1 would be right is published: the identity shows the image a little enlarged,
without its last row and column. Outside the image, from pixel 0 to less than N - 1, a view is
exactly 0: there is no fading at the border.

Source: Jaderberg et al. 2015 (the map); the thesis's public code (github.com/Kappa666/
Attention-against-adversaries @ a2f5393, transformer.py), which thesis 3.3.1 describes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_OUTSIDE = 3.0  # where `grid_sample` reads nothing but padding


def affine_warp(images: Tensor, transforms: Tensor) -> Tensor:
    """Views of images, each through its own transform, by bilinear interpolation.

    images: [B, C, N, N], float32 or float64; transforms: [B, 2, 3]. Returns [B, C, N, N],
    differentiable in both. Raises ValueError for other shapes or types.
    """
    size = images.shape[-1]
    if images.ndim != 4 or images.shape[-2] != size:
        raise ValueError(f"images are {list(images.shape)}; expected [B, C, N, N]")
    if images.dtype not in (torch.float32, torch.float64):
        # A coordinate in half precision is off by up to a quarter of a pixel at N = 320.
        raise ValueError(f"images are {images.dtype}; expected float32 or float64")
    if transforms.shape != (images.shape[0], 2, 3):
        raise ValueError(
            f"transforms are {list(transforms.shape)}; expected [{images.shape[0]}, 2, 3]"
        )
    along = torch.linspace(-1, 1, size, dtype=images.dtype, device=images.device)
    # Sums and not a matrix product, which accelerators may round to ten bits.
    of_x, of_y, shift = transforms.to(images.dtype)[..., None, None].unbind(2)  # [B, 2, 1, 1]
    source = of_x * along + of_y * along[:, None] + shift  # [B, 2, N, N]
    pixels = (source + 1) / 2 * (size - 2)
    outside = ((pixels < 0) | (pixels >= size - 1)).any(dim=1, keepdim=True)
    grid = (2 / (size - 1) * pixels - 1).masked_fill(outside, _OUTSIDE)
    return F.grid_sample(
        images, grid.movedim(1, -1), mode="bilinear", padding_mode="zeros", align_corners=True
    )
