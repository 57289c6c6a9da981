"""Shards as tensors that a model takes, for notebooks."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from biorobust.data.batches import to_pixels
from biorobust.data.shards import open_shards


def load_images(
    directory: str | Path, *, first: int = 0, count: int | None = None
) -> tuple[Tensor, Tensor]:
    """Images [count, 3, N, N] in [0, 1] and labels [count] of a split, from number `first` on.

    directory: `results/<experiment>/shards/test`, or `train`; without a count, all that there are.
    Raises UserError where the shards are missing or damaged.
    """
    shards = open_shards(Path(directory))
    last = len(shards) if count is None else min(first + count, len(shards))
    numbers = np.arange(first, last)
    return to_pixels(torch.from_numpy(shards.read(numbers))), torch.from_numpy(
        shards.labels[numbers]
    )
