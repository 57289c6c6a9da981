"""Random numbers without state: a hash of what they are for.

In: a purpose, seed, epoch and image number. Out: the same uniform numbers on every device, in any
batch, in any order, after any resume. The hash is SplitMix64's finaliser (Steele, Lea and Flood
2014, "Fast splittable pseudorandom number generators", Fig. 14), applied once a key part: with
state 0 at first, each of purpose, seed, epoch, image number and counter makes it the number that
SplitMix64 gives next after (state XOR part).
"""

from enum import IntEnum

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15
_MULTIPLIERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_BITS = 24  # what a float32 holds exactly


class Purpose(IntEnum):
    """What a number is drawn for; each purpose has a stream of its own."""

    ORDER = 1
    AUGMENTATION = 2
    MODEL = 3
    ATTACK = 4


def _signed(value: int) -> int:
    """A 64-bit pattern as the signed number that torch's int64 holds."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _shift_right(values: Tensor, bits: int) -> Tensor:
    # int64 shifts copy the sign; the mask makes the shift a logical one.
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _mix(values: Tensor) -> Tensor:
    values = values + _signed(_GOLDEN)
    for bits, multiplier in _MULTIPLIERS:
        values = (values ^ _shift_right(values, bits)) * _signed(multiplier)
    return values ^ _shift_right(values, 31)


def hash_keys(purpose: Purpose, seed: int, epoch: int, images: Tensor, counters: Tensor) -> Tensor:
    """64-bit hashes, as int64, of every combination of image number and counter.

    `images` [B] and `counters` [K] are int64 on one device -> [B, K] on that device. All
    arithmetic is modulo 2**64.
    """
    state = images.new_zeros(1)
    for part in (int(purpose), seed, epoch):
        state = _mix(state ^ _signed(part))
    return _mix(_mix(state ^ images)[:, None] ^ counters[None, :])


def uniform_draws(purpose: Purpose, seed: int, epoch: int, images: Tensor, count: int) -> Tensor:
    """Uniform numbers in [0, 1), `count` for each image: images [B] int64 -> float32 [B, count].

    Multiples of 2**-24, so that float32 holds them exactly and 1.0 never occurs.
    """
    counters = torch.arange(count, dtype=torch.int64, device=images.device)
    hashes = hash_keys(purpose, seed, epoch, images, counters)
    return _shift_right(hashes, 64 - _BITS).to(torch.float32) * 2.0**-_BITS


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """A random order of 0..count-1, a pure function of seed and epoch: [count] int64."""
    images = torch.arange(count, dtype=torch.int64)
    keys = hash_keys(Purpose.ORDER, seed, epoch, images, torch.zeros(1, dtype=torch.int64))
    return torch.argsort(keys[:, 0], stable=True)
