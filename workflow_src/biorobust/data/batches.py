"""Training batches: which images, in which order. A pure function of (seed, epoch)."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from biorobust.data.counter_hash import epoch_order
from biorobust.data.shards import Shards


class Batch(NamedTuple):
    """Images uint8 [B, N, N, 3], labels int64 [B] and positions in the index int64 [B]."""

    images: Tensor
    labels: Tensor
    positions: Tensor


class EpochBatches:
    """The batches of one epoch after another, read straight from the shards' memory maps.

    `epoch` is what the caller sets before each pass; it alone, with the seed, decides the order.
    Each image occurs once. A last batch of one image is joined to the one before, since batch
    normalisation has no variance over one value.
    """

    def __init__(self, shards: Shards, *, seed: int, batch_size: int) -> None:
        self._shards, self._seed, self._batch_size = shards, seed, batch_size
        self.epoch = 0

    def __len__(self) -> int:
        images, size = len(self._shards), self._batch_size
        lone = images % size == 1
        return max(1, -(-images // size) - lone)

    def __iter__(self) -> Iterator[Batch]:
        order = epoch_order(self._seed, self.epoch, len(self._shards))
        for number in range(len(self)):
            start = number * self._batch_size
            stop = start + self._batch_size if number < len(self) - 1 else len(order)
            positions = order[start:stop]
            chosen = positions.numpy()
            yield Batch(
                torch.from_numpy(self._shards.read(chosen)),
                torch.from_numpy(self._shards.labels[chosen]),
                positions,
            )


def to_pixels(images: Tensor) -> Tensor:
    """uint8 [B, N, N, 3] in 0..255 -> float32 [B, 3, N, N] in [0, 1], on the same device."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(255).contiguous()
