"""Images that occur twice: pixel for pixel, or nearly so (re-encoded, brighter, of less contrast).

Two images are exact copies if all their pixels are equal as a model gets them. They are near
copies if, brightness and contrast apart, they differ by next to nothing, or by far less than an
image of this data set differs from others: 1 - correlation, of grey thumbnails of 8 x 8 and of
colour pictures of 32 x 32 alike, must be at most 0.0007, or at most 15 % of the thumbnail's
distance to the second nearest one (and then at most 0.01).

Why relative to the second nearest: how close strangers come depends on the data (photographs 0.4,
digits 0.004, trousers 0.0013), but two that stand apart from all others are no strangers. Among
scikit-learn's digits nothing is called a copy, and one pair is in 700 random parts of 20 to 500 of
them. In Fashion-MNIST such pairs show one product. Copies by JPEG of quality 75 and copies that
are 20 levels brighter are found in 95 to 100 % of the cases in both, and always in the 22
photographs tried. Not found: most copies that are mirrored, shifted or cropped, and an image of
which the other split holds several different near copies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from biorobust.data.hygiene.fingerprints import Fingerprints
from biorobust.data.hygiene.neighbours import Neighbours
from biorobust.data.shards import Images, Shards

# In 60,000 images of Fashion-MNIST, the closest that do not show one product are at 0.0013.
ALWAYS_NEAR = 0.0007
SECOND_NEAREST_SHARE = 0.15
NEVER_NEAR = 0.01

_PICTURE = 32
_AT_ONCE = 64

Pair = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """One split: what is remembered of its images, and the images."""

    prints: Fingerprints
    shards: Shards


def distinct(prints: Fingerprints) -> tuple[list[int], list[Pair]]:
    """Positions of the images that are no exact copy of an earlier one, and (copy, first)."""
    first: dict[bytes, int] = {}
    copies = []
    for position, total in enumerate(prints.sums):
        if (original := first.setdefault(total, position)) != position:
            copies.append((position, original))
    return list(first.values()), copies


def exact_across(test: Fingerprints, train: Fingerprints) -> list[Pair]:
    """(test image, training image) for each test image whose pixels are in the training set."""
    known: dict[bytes, int] = {}
    for position, total in enumerate(train.sums):
        known.setdefault(total, position)
    return [(n, known[total]) for n, total in enumerate(test.sums) if total in known]


def near_copies(
    images: Part,
    positions: Sequence[int],
    pool: Part,
    pool_positions: Sequence[int],
    found: Neighbours,
) -> list[Pair]:
    """Those of `images` with a near copy in `pool`, as (position there, position in the pool).

    `found` are the neighbours of the images' thumbnails at `positions` among the pool's at
    `pool_positions`.
    """
    share = np.minimum(SECOND_NEAREST_SHARE * found.second, NEVER_NEAR)
    # A second nearest tells how dense the data are only where there is one.
    limits = np.maximum(np.where(found.second <= 2, share, 0), ALWAYS_NEAR)
    likely = np.flatnonzero(found.distance <= limits).tolist()
    pairs = [(positions[n], pool_positions[found.nearest[n]]) for n in likely]
    distances = _picture_distances(images.shards, pool.shards, pairs)
    return [
        pair
        for pair, distance, limit in zip(pairs, distances, limits[likely], strict=True)
        if distance <= limit
    ]


def _picture_distances(images: Shards, pool: Shards, pairs: Sequence[Pair]) -> Iterator[float]:
    for start in range(0, len(pairs), _AT_ONCE):
        left, right = np.array(pairs[start : start + _AT_ONCE]).T
        for image, other in zip(images.read(left), pool.read(right), strict=True):
            yield 1 - float(_picture(image) @ _picture(other))


def _picture(image: Images) -> npt.NDArray[np.float64]:
    """uint8 [N, N, 3] as a centred vector of unit length, box-filtered to 32 x 32: [3072]."""
    if len(image) != _PICTURE:
        resized = Image.fromarray(image).resize((_PICTURE, _PICTURE), Image.Resampling.BOX)
        image = np.asarray(resized)
    vector = image.ravel() - image.mean()
    return vector / (np.linalg.norm(vector) or 1)  # type: ignore[no-any-return]
