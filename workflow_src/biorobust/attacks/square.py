"""The Square attack: random search with square-shaped changes, by the model's scores alone."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from biorobust.attacks.base import BudgetAttack, Queried, at_least, one_of
from biorobust.attacks.losses import margin

# Paper §3.2: the squares' share of the image is halved after so many of 10,000 queries.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_FLOOR = 1e-12


class Square(BudgetAttack):
    """The Square attack (Andriushchenko et al. 2020), untargeted, on the margin of the logits.

    Each query changes one random square of each image and is kept where it brings the model
    nearer to an error. In L-infinity all channels of the square go to a corner of the ball
    (Algorithm 2); in L2 the square takes over the length of another one and a pair of opposite
    bumps (Algorithm 3).

    `norm`: "linf", "l2" or "rms". `queries`: forward passes an image at most. `share`: of the
    image that a square covers at first; it is halved on the paper's schedule, stretched to the
    number of queries. Defaults are those within AutoAttack.

    Raises ValueError for an unknown norm or queries below 1.
    """

    def __init__(self, *, norm: str = "linf", queries: int = 5000, share: float = 0.8) -> None:
        self.norm = one_of("norm", norm, ("linf", "l2", "rms"))
        self._queries = at_least("queries", queries)
        self._share = share

    @torch.no_grad()
    def perturb(self, model: Queried, images: Tensor, labels: Tensor, radius: float) -> Tensor:
        """See `BudgetAttack.perturb`."""
        first, change = (_stripes, _recoloured) if self.geometry == "linf" else (_bumps, _gathered)
        best = (images + first(images, radius)).clamp(0, 1)
        margins = margin(model(best), labels)
        for query in range(1, self._queries):
            # Everyone's draws, so that an image's own do not depend on who is left.
            windows = _draw_windows(images, self._side(query, images))
            rows = (margins <= 0).nonzero()[:, 0]
            if not len(rows):
                break
            old = best[rows] - images[rows]
            new = change(old, windows.of(rows), radius)
            candidates = (images[rows] + new).clamp(0, 1)
            found = margin(model(candidates, rows), labels[rows])
            better = found > margins[rows]
            best[rows[better]], margins[rows[better]] = candidates[better], found[better]
        return best

    def _side(self, query: int, images: Tensor) -> int:
        """The squares' side in pixels at this query, from 1."""
        height, width = images.shape[2:]
        halved = sum(query * 10_000 / self._queries > after for after in _HALVINGS)
        side = round(math.sqrt(self._share / 2**halved * height * width))
        if self.geometry == "l2":
            side = max(side, 3) | 1
        return max(1, min(side, height, width))


@dataclass(frozen=True)
class _Windows:
    """What one query draws for each image; corners are [n, 2 windows, (top, left)]."""

    side: int
    corners: Tensor
    signs: Tensor
    upright: Tensor

    def of(self, rows: Tensor) -> "_Windows":
        return _Windows(self.side, self.corners[rows], self.signs[rows], self.upright[rows])

    def place(self, window: int) -> tuple[Tensor, ...]:
        """The index of each image's window, which picks [n, C, side, side] of [n, C, H, W]."""
        device, inside = self.signs.device, torch.arange(self.side, device=self.signs.device)
        rows = torch.arange(len(self.signs), device=device)
        channels = torch.arange(self.signs.shape[1], device=device)
        top, left = self.corners[:, window].unbind(1)
        return (
            rows[:, None, None, None],
            channels[None, :, None, None],
            (top[:, None] + inside)[:, None, :, None],
            (left[:, None] + inside)[:, None, None, :],
        )


def _draw_windows(images: Tensor, side: int) -> _Windows:
    count, channels, height, width = images.shape
    room = torch.tensor([height - side + 1, width - side + 1], device=images.device)
    corners = (torch.rand(count, 2, 2, device=images.device) * room).long()
    upright = torch.rand(count, 1, 1, 1, device=images.device) < 0.5
    return _Windows(side, corners, _signs(images, count, channels, 1, 1), upright)


def _signs(like: Tensor, *shape: int) -> Tensor:
    return torch.where(torch.rand(*shape, device=like.device) < 0.5, -1.0, 1.0)


def _stripes(images: Tensor, radius: float) -> Tensor:
    """The first change in L-infinity: vertical stripes, one pixel wide."""
    count, channels, _, width = images.shape
    return (radius * _signs(images, count, channels, 1, width)).expand_as(images)


def _recoloured(old: Tensor, windows: _Windows, radius: float) -> Tensor:
    new = old.clone()
    new[windows.place(0)] = radius * windows.signs
    return new


def _bumps(images: Tensor, radius: float) -> Tensor:
    """The first change in L2: a tiling with pairs of opposite bumps, five along the short side."""
    count, channels, height, width = images.shape
    side = max(1, min(height, width) // 5)
    down, across = height // side, width // side
    pair = _pair_of_bumps(side, images)[:, None, :]
    upright = torch.rand(count, 1, down, 1, across, 1, device=images.device) < 0.5
    tiles = torch.where(upright, pair, pair.permute(2, 1, 0))
    tiles = tiles * _signs(images, count, channels, down, 1, across, 1)
    change = torch.zeros_like(images)
    top, left = (height - down * side) // 2, (width - across * side) // 2
    tiled = tiles.reshape(count, channels, down * side, across * side)
    change[:, :, top : top + down * side, left : left + across * side] = tiled
    return radius * change / _length(change, (1, 2, 3))


def _gathered(old: Tensor, windows: _Windows, radius: float) -> Tensor:
    """The second window gives its length to the first, which takes a new pair of bumps."""
    to, source = windows.place(0), windows.place(1)
    covered = torch.zeros_like(old)
    covered[to], covered[source] = 1, 1
    both = _length(old * covered, (2, 3))  # [n, C, 1, 1]
    unused = (radius**2 - _length(old, (1, 2, 3)) ** 2).clamp(min=0) / old.shape[1]
    pair = _pair_of_bumps(windows.side, old)
    pair = torch.where(windows.upright, pair, pair.T) * windows.signs
    inside = pair + old[to] / _length(old[to], (2, 3))
    new = old.clone()
    new[source] = 0
    new[to] = inside / _length(inside, (2, 3)) * (unused + both**2).sqrt()
    return radius * new / _length(new, (1, 2, 3))


def _pair_of_bumps(side: int, like: Tensor) -> Tensor:
    """The paper's eta [side, side]: a bump above its negative, of Euclidean length 1."""
    upper, lower = _bump(side // 2, side, like), _bump(side - side // 2, side, like)
    pair = torch.cat([upper, -lower])
    return pair / _length(pair, (0, 1))


def _bump(height: int, width: int, like: Tensor) -> Tensor:
    """At distance d (Chebyshev) from the middle, the sum of 1 / k^2 over all k > d in reach."""
    ranks = torch.arange(1, max(height, width) // 2 + 2, device=like.device)
    tails = ((ranks >= ranks[:, None]) / ranks**2).sum(1).to(like.dtype)
    rows = (torch.arange(height, device=like.device) - height // 2).abs()
    columns = (torch.arange(width, device=like.device) - width // 2).abs()
    return tails[torch.maximum(rows[:, None], columns)]


def _length(values: Tensor, dimensions: tuple[int, ...]) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(values, dim=dimensions, keepdim=True)
    return length.clamp(min=_FLOOR)
