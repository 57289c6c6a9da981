"""How an attack moves: from an iterate to the next, inside the ball and the range of pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from biorobust.attacks.losses import Loss
from biorobust.attacks.norms import Norm, per_image
from biorobust.attacks.rows import Rows
from biorobust.data.counter_hash import Purpose, hash_keys


@dataclass(frozen=True)
class Settings:
    """How an attack moves. `relative_step` is the step's size as a share of epsilon.

    With a random start, a pure function of seed, image number and attempt, the way to the starting
    point counts as a step of its own, and who survives starts again, `restarts` times in all. For
    a model that draws random numbers, each pass is the mean over `expectation` draws.
    """

    norm: Norm
    steps: int
    relative_step: float
    loss: Loss
    random_start: bool = False
    restarts: int = 1
    seed: int = 0
    expectation: int = 1
    targeted: bool = False

    @property
    def last_step(self) -> int:
        """The number of the last iterate."""
        return self.steps + self.random_start


def advanced(rows: Rows, directions: Tensor, settings: Settings) -> Rows:
    """The rows one step further along their directions, back inside ball and pixel range."""
    norm, radii = settings.norm, rows.radii
    sign = -1.0 if settings.targeted else 1.0
    moved = rows.iterates + per_image(sign * settings.relative_step * radii) * directions
    starting = rows.steps == 0
    if settings.random_start and starting.any():
        starts = per_image(radii[starting]) * _random_starts(rows.at(starting), settings)
        moved[starting] = rows.originals[starting] + starts
    inside = rows.originals + norm.project(moved - rows.originals, radii)
    return rows.changed(iterates=inside.clamp(0, 1), steps=rows.steps + 1)


def _random_starts(rows: Rows, settings: Settings) -> Tensor:
    """Points of the unit ball [n, C, H, W], each a function of seed, image and attempt alone."""
    starts = []
    counter = torch.zeros(1, dtype=torch.int64)
    for number, attempt in zip(rows.numbers.cpu(), rows.attempts.tolist(), strict=True):
        key = hash_keys(Purpose.ATTACK, settings.seed, attempt, number[None], counter)
        generator = torch.Generator().manual_seed(int(key))
        starts.append(settings.norm.random_start(rows.originals.shape[1:], generator))
    return torch.stack(starts).to(rows.originals)
