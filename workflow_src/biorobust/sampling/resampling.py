"""Bilinear resampling at points that stay: a sparse matrix and its transpose, made once.

On a CPU, `grid_sample` fetches every neighbour of every pixel of every plane one by one. Here the
planes' values at a pixel lie side by side, and a fetch serves all planes; and the backward pass
gathers too, where that of `grid_sample` scatters. The price is 64 bytes a point in float32 (33 MB
for five gazes at 320 x 320) and up to half a second to make them.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Planes taken at a time: enough to share a fetch, few enough for buffers that stay in the cache.
_PLANES = 12


class SparseRows(NamedTuple):
    """A sparse matrix, row by row: the entries of row i go from starts[i] to starts[i + 1]."""

    columns: Tensor  # [entries] int32
    starts: Tensor  # [rows + 1] int32
    weights: Tensor  # [entries]


class FixedBilinear:
    """Samples planes at fixed points, bilinearly, with zeros outside; differentiable in the planes.

    points: [G, N, N, 2] float64, (x, y) in pixels of an N x N plane; dtype: that of the planes.
    """

    def __init__(self, points: Tensor, dtype: torch.dtype) -> None:
        self.groups, size = points.shape[:2]
        corner = points.floor()
        rows, columns, weights = [], [], []
        for step in ((0, 0), (1, 0), (0, 1), (1, 1)):
            neighbour = corner + points.new_tensor(step)
            share = (1 - (points - neighbour).abs()).prod(dim=-1)
            inside = ((neighbour >= 0) & (neighbour < size)).all(dim=-1).flatten()
            x, y = neighbour.long().flatten(0, -2).unbind(dim=-1)
            rows.append(inside.nonzero()[:, 0])
            columns.append((y * size + x)[inside])
            weights.append(share.flatten()[inside].to(dtype))
        entries = (torch.cat(rows), torch.cat(columns), torch.cat(weights))
        count = size * size
        self.matrix = _sparse_rows(*entries, count=self.groups * count)
        self.transpose = _sparse_rows(entries[1], entries[0], entries[2], count=count)

    def __call__(self, planes: Tensor) -> Tensor:
        """Planes [C, N, N] -> [G, C, N, N]."""
        flat = planes.flatten(1)
        views: Tensor = _Product.apply(flat, self.matrix, self.transpose, self.groups)
        return views.view(self.groups, *planes.shape)


def _sparse_rows(rows: Tensor, columns: Tensor, weights: Tensor, *, count: int) -> SparseRows:
    order = rows.argsort(stable=True)
    starts = F.pad(torch.bincount(rows, minlength=count).cumsum(dim=0), (1, 0))
    return SparseRows(columns[order].int(), starts.int(), weights[order])


def _multiply(matrix: SparseRows, planes: Tensor, groups: int) -> Tensor:
    """[g, C, n] -> [groups, C, m], for a matrix of groups * m rows and g * n columns."""
    rows = len(matrix.starts) - 1
    product = planes.new_empty(groups, planes.shape[1], rows // groups)
    parts = zip(torch.split(planes, _PLANES, 1), torch.split(product, _PLANES, 1), strict=True)
    for source, target in parts:
        sums = F.embedding_bag(
            matrix.columns,
            source.transpose(1, 2).flatten(0, 1).contiguous(),
            matrix.starts,
            mode="sum",
            per_sample_weights=matrix.weights,
            include_last_offset=True,
        )  # [groups * m, planes]
        target.copy_(sums.view(groups, product.shape[2], target.shape[1]).transpose(1, 2))
    return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, planes: Tensor, matrix: SparseRows, transpose: SparseRows, groups: int
    ) -> Tensor:
        ctx.transpose = transpose
        return _multiply(matrix, planes[None], groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _multiply(ctx.transpose, gradient, 1)[0], None, None, None
