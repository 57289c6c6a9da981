"""Training batches: which images, in which order. A pure function of (seed, epoch)."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from biorobust.data.counter_hash import epoch_order
from biorobust.data.shards import Shards


class Batch(NamedTuple):
    """Images uint8 [B, N, N, 3], labels int64 [B] and positions in the index int64 [B].

    `size` counts the images of the whole batch, of which these are one device's share.
    """

    images: Tensor
    labels: Tensor
    positions: Tensor
    size: int


class EpochBatches:
    """The batches of one epoch after another, read straight from the shards' memory maps.

    `epoch` is what the caller sets before each pass; it alone, with the seed, decides the order.
    Each image occurs once. A last batch of one image is joined to the one before, since batch
    normalisation has no variance over one value.

    Of `devices` that train together, the one numbered `device` gets a share of each batch, a
    stretch of its order; the shares of a batch differ by one image at most. A batch of fewer
    images than devices is not shared: each device gets it whole.

    `state_dict` tells epoch and place in it; a pass after `load_state_dict` begins at that place.
    """

    def __init__(
        self, shards: Shards, *, seed: int, batch_size: int, device: int = 0, devices: int = 1
    ) -> None:
        self._shards, self._seed, self._batch_size = shards, seed, batch_size
        self._device, self._devices = device, devices
        self.epoch = 0
        self._first = self._following = 0

    def __len__(self) -> int:
        images, size = len(self._shards), self._batch_size
        lone = images % size == 1
        return max(1, -(-images // size) - lone)

    def __iter__(self) -> Iterator[Batch]:
        first, self._first = self._first, 0
        order = epoch_order(self._seed, self.epoch, len(self._shards))
        for number in range(first, len(self)):
            start = number * self._batch_size
            stop = start + self._batch_size if number < len(self) - 1 else len(order)
            self._following = number + 1
            positions = self._share(order[start:stop])
            chosen = positions.numpy()
            yield Batch(
                torch.from_numpy(self._shards.read(chosen)),
                torch.from_numpy(self._shards.labels[chosen]),
                positions,
                stop - start,
            )

    def _share(self, positions: Tensor) -> Tensor:
        size = len(positions)
        if size < self._devices:
            return positions
        first, last = (
            size * device // self._devices for device in (self._device, self._device + 1)
        )
        return positions[first:last]

    def state_dict(self) -> dict[str, int]:
        """Where the pass stands: its epoch, and how many of its batches were handed out."""
        return {"epoch": self.epoch, "batch": self._following}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next pass begin where another stood; after a last batch, from the start."""
        self.epoch, self._first = state["epoch"], state["batch"] % len(self)


def to_pixels(images: Tensor) -> Tensor:
    """uint8 [B, N, N, 3] in 0..255 -> float32 [B, 3, N, N] in [0, 1], on the same device."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(255).contiguous()
