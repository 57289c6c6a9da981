"""What every source of images hands out, and how a stratified part of it is chosen."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from biorobust.errors import UserError

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Item:
    """One labelled image that is decoded when asked for.

    `id` is unique within its split and stays the same from run to run and machine to machine.
    `label` is a position in the source's `classes`. `load()` returns uint8 [H, W, 3], RGB, and
    raises CorruptImage where the file is damaged.
    """

    id: str
    label: int
    load: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Source:
    """The classes of a data set, in label order, and its images in a reproducible order.

    `ignored` counts the files and folders of a split that lie where its images do without being
    taken for one; a split that is absent from it has none.
    """

    classes: tuple[str, ...]
    splits: dict[Split, Sequence[Item]]
    ignored: dict[Split, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """How a source of one kind is opened, and which files its content is.

    `open(path, download_folder)` returns the Source. `files(path)` maps relative names to the
    files that the source consists of, or is None where torchvision fetches them and checks them
    by MD5. Both raise the same UserError where something is missing.
    """

    open: Callable[[Path | None, Path | None], Source]
    files: Callable[[Path | None], dict[str, Path] | None]


def array_items(
    split: Split, images: np.ndarray, labels: np.ndarray, rows: Sequence[int] | None = None
) -> list[Item]:
    """Items for `rows` (default: all) of `images`, uint8 [n, H, W] or [n, H, W, 3]."""
    return [
        Item(f"{split}/{row:05d}", int(labels[row]), partial(_row_as_rgb, images, row))
        for row in (range(len(images)) if rows is None else rows)
    ]


def _row_as_rgb(images: np.ndarray, row: int) -> np.ndarray:
    image = images[row]
    return image.copy() if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def select(items: Sequence[Item], limit: int | None) -> list[Item]:
    """`limit` of the items, shared evenly over the classes; all of them for None.

    Where the limit does not divide evenly, the first classes get one more; what a class is too
    small to give, the others give. Within a class the images with the smallest SHA-256 of their
    id are taken, so that a larger limit adds images and replaces none, and an image that joins
    the data set displaces at most one. The original order is kept.

    Raises UserError for a limit below 1 or above the number of items.
    """
    if limit is None:
        return list(items)
    if not 1 <= limit <= len(items):
        raise UserError(
            f"a limit of {limit} images cannot be met: the split has {len(items)}; "
            f"choose a limit from 1 to {len(items)}, or null for all"
        )
    rows_of: defaultdict[int, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        rows_of[item.label].append(row)
    quota = _quotas({label: len(rows) for label, rows in rows_of.items()}, limit)
    chosen: set[int] = set()
    for label, rows in rows_of.items():
        chosen.update(sorted(rows, key=lambda row: _rank(items[row]))[: quota[label]])
    return [item for row, item in enumerate(items) if row in chosen]


def _rank(item: Item) -> bytes:
    return hashlib.sha256(os.fsencode(item.id)).digest()


def _quotas(available: Mapping[int, int], limit: int) -> dict[int, int]:
    quota = dict.fromkeys(sorted(available), 0)
    left = limit
    while left:
        unfilled = [label for label in quota if quota[label] < available[label]]
        if left < len(unfilled):
            for label in unfilled[:left]:
                quota[label] += 1
            return quota
        share = left // len(unfilled)
        for label in unfilled:
            given = min(share, available[label] - quota[label])
            quota[label] += given
            left -= given
    return quota
