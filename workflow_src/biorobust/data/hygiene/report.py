"""The hygiene of a data set as one JSON-ready report, and the fault that stops a run.

In: both splits' fingerprints and their images, which are looked at again only where two of them
seem to be copies. Out: counts, and the first few images concerned. The same images give the same
report, whatever files they are stored in.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from biorobust.data.hygiene.copies import Pair, Part, distinct, exact_across, near_copies
from biorobust.data.hygiene.neighbours import nearest_two
from biorobust.data.hygiene.swaps import looks, swapped
from biorobust.errors import UserError

Report = dict[str, Any]

_NAMED = 20
# An image enlarged more than so many times shows its pixels rather than its subject.
_LARGEST_SCALE = 2
# Against the median class.
_SMALL_CLASS = 0.5


def inspect(train: Part, test: Part) -> Report:
    """What is wrong with a data set, if anything, without judging whether it may be used.

    - `splits`, for each: `images`, `images_per_class`, `small_classes` (fewer than half of the
      median class's images); `constant` (of one colour) and `enlarged` (more than twice) images;
      `exact` and `near` copies within the split (see `copies`).
    - `across`: test images that are `exact` or `near` copies of training images.
    - `nearest_neighbour`: how many of the `images` of the test set (exact copies among them
      counted once) look like a training image of their own class, and `swapped`, classes that
      look exchanged, in circles.

    Images are counted, and the first 20 named. Copies are pairs, of which `other_label` have two
    labels.
    """
    kept_train, _ = distinct(train.prints)
    kept_test, _ = distinct(test.prints)
    found = nearest_two(test.prints.thumbnails(kept_test), train.prints.thumbnails(kept_train))
    exact = exact_across(test.prints, train.prints)
    known = {position for position, _ in exact}
    near = near_copies(test, kept_test, train, kept_train, found)
    near = [pair for pair in near if pair[0] not in known]
    # A constant image resembles nothing, so its nearest is arbitrary.
    telling = [n for n, position in enumerate(kept_test) if not test.prints.constant[position]]
    own = test.shards.labels[np.array(kept_test)[telling]]
    nearest = train.shards.labels[np.array(kept_train)[found.nearest[telling]]]
    counts = looks(own, nearest, len(test.shards.classes))
    return {
        "splits": {"train": _within(train), "test": _within(test)},
        "across": {"exact": _pairs(exact, test, train), "near": _pairs(near, test, train)},
        "nearest_neighbour": {
            "images": int(counts.sum()),
            "right": int(counts.trace()),
            "swapped": [
                [test.shards.classes[label] for label in circle] for circle in swapped(counts)
            ],
        },
    }


def _within(part: Part) -> Report:
    prints, shards = part.prints, part.shards
    per_class = np.bincount(shards.labels, minlength=len(shards.classes))
    few = per_class < _SMALL_CLASS * np.median(per_class)
    enlarged = [side * _LARGEST_SCALE < shards.image_size for side in prints.short_sides]
    kept, exact = distinct(prints)
    near: set[Pair] = set()
    if len(kept) > 1:
        found = nearest_two(prints.thumbnails(kept))
        near = {(max(p), min(p)) for p in near_copies(part, kept, part, kept, found)}
    return {
        "images": len(prints),
        "images_per_class": dict(zip(shards.classes, per_class.tolist(), strict=True)),
        "small_classes": [shards.classes[label] for label in np.flatnonzero(few)],
        "constant": _images(prints.constant, part),
        "enlarged": _images(enlarged, part),
        "exact": _pairs(exact, part, part),
        "near": _pairs(sorted(near), part, part),
    }


def _images(marked: Sequence[bool], part: Part) -> Report:
    positions = np.flatnonzero(marked)
    return {
        "images": len(positions),
        "first": [part.prints.ids[position] for position in positions[:_NAMED]],
    }


def _pairs(pairs: Sequence[Pair], left: Part, right: Part) -> Report:
    return {
        "images": len(pairs),
        "other_label": sum(left.prints.labels[a] != right.prints.labels[b] for a, b in pairs),
        "first": [[left.prints.ids[a], right.prints.ids[b]] for a, b in pairs[:_NAMED]],
    }


def require_no_copies(report: Report) -> None:
    """Raises UserError, naming the first pair, where test images are training images as well.

    Only exact copies count. Near copies are a guess, and benchmarks in wide use have them.
    """
    copies = report["across"]["exact"]
    if copies["images"]:
        test, train = copies["first"][0]
        raise UserError(
            f"{copies['images']} of {report['splits']['test']['images']} test images are training "
            f"images too, pixel for pixel; the first: {test} is {train}; remove them from one "
            "split, or set data.on_duplicates: allow"
        )
