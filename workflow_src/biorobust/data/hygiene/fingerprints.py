"""What hygiene remembers of each image: some 300 bytes instead of its pixels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from biorobust.data.shards import Example, Images

Thumbnails = npt.NDArray[np.float32]

# Divides every image size, which is a multiple of 8.
_SIDE = 8
# Levels out of 255 that the rounding of a JPEG's colours and of resizing may leave in one colour.
_ONE_COLOUR = 4


@dataclass
class Fingerprints:
    """The images of one split, by position: what tells copies and faults without the pixels.

    `sums` are SHA-256 of the pixels, `constant` marks images of one colour, `short_sides` are the
    source's shorter sides in pixels, before the image was fitted.
    """

    ids: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    sums: list[bytes] = field(default_factory=list)
    constant: list[bool] = field(default_factory=list)
    short_sides: list[int] = field(default_factory=list)
    _thumbnails: list[Thumbnails] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, example: Example, short_side: int) -> None:
        """Take in the next image, uint8 [N, N, 3] with N a multiple of 8."""
        thumbnail = _thumbnail(example.image)
        self.ids.append(example.id)
        self.labels.append(example.label)
        self.sums.append(hashlib.sha256(example.image.tobytes()).digest())
        self.constant.append(_is_constant(example.image, thumbnail))
        self.short_sides.append(short_side)
        self._thumbnails.append(thumbnail)

    def thumbnails(self, positions: Sequence[int]) -> Thumbnails:
        """The grey 8 x 8 thumbnails at `positions`, centred and of unit length: [n, 64].

        So a dot product is a correlation, which neither brightness nor contrast changes. The
        thumbnail of a constant image is zero: it resembles nothing.
        """
        chosen = np.stack([self._thumbnails[position] for position in positions])
        chosen -= chosen.mean(axis=1, keepdims=True)
        chosen[[self.constant[position] for position in positions]] = 0
        lengths = np.linalg.norm(chosen, axis=1, keepdims=True)
        lengths[lengths == 0] = 1
        chosen /= lengths
        return chosen


def _thumbnail(image: Images) -> Thumbnails:
    """Mean grey of 8 x 8 equal tiles: uint8 [N, N, 3] -> float32 [64], in levels of 255."""
    size = len(image)
    tile = size // _SIDE
    # Rows first: adding up along the last axis, three values long, is what takes time.
    rows = image.reshape(_SIDE, tile, size * 3).sum(axis=1, dtype=np.int32)  # (8, 3 N)
    means: Thumbnails = rows.reshape(_SIDE * _SIDE, tile * 3).sum(axis=1, dtype=np.float32)
    return means / np.float32(3 * tile * tile)


def _is_constant(image: Images, thumbnail: Thumbnails) -> bool:
    if np.ptp(thumbnail) > _ONE_COLOUR:
        return False
    return all(int(np.ptp(image[:, :, channel])) <= _ONE_COLOUR for channel in range(3))
