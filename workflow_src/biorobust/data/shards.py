"""Image shards: raw uint8 arrays that are opened by memory map and checked by SHA-256.

A split's folder holds `NNNNN.npy` (uint8 [n, N, N, 3]), `index.csv` (id, label, class; one line an
image, in order) and `manifest.json`, the record of the shard stage, which names every other file
with its SHA-256. The test split's also holds `hygiene.json`, what was found in both.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, count, islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from biorobust.errors import UserError
from biorobust.files import read_json, whole_file, write_text

Images = npt.NDArray[np.uint8]
INDEX, MANIFEST, HYGIENE = "index.csv", "manifest.json", "hygiene.json"
_MEND = "delete the folder and run again"


class Example(NamedTuple):
    """One image on its way into a shard: uint8 [N, N, 3] with its id, label and class name."""

    id: str
    label: int
    class_name: str
    image: Images


def write_shards(
    folder: Path, examples: Iterable[Example], images_per_shard: int
) -> dict[str, str]:
    """Write examples, consumed one shard at a time, and their index; SHA-256 by file name.

    Shards of an earlier run are removed first.
    """
    remove_shards(folder)
    sums = {}
    text = io.StringIO()
    index = csv.writer(text, lineterminator="\n")
    index.writerow(["id", "label", "class"])
    remaining = iter(examples)
    for number in count():
        group = list(islice(remaining, images_per_shard))
        if not group:
            break
        name = f"{number:05d}.npy"
        with whole_file(folder / name) as file:
            np.save(file, np.stack([example.image for example in group]))
        sums[name] = file.sha256
        index.writerows(example[:3] for example in group)
    sums[INDEX] = write_text(folder / INDEX, text.getvalue())
    return sums


def remove_shards(folder: Path) -> None:
    """Remove what stands beside a split's manifest; what has no manifest is no result."""
    for old in [*folder.glob("*.npy"), folder / INDEX, folder / HYGIENE]:
        old.unlink(missing_ok=True)


@dataclass(frozen=True)
class Shards:
    """The images of one split: `ids` and `labels` by position, pixels read on demand."""

    ids: list[str]
    labels: npt.NDArray[np.int64]
    classes: list[str]
    blocks: list[Images]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def image_size(self) -> int:
        """Rows (and columns) of an image, in pixels."""
        return int(self.blocks[0].shape[1])

    def read(self, positions: npt.NDArray[np.int64]) -> Images:
        """The images at `positions` [B], in that order: uint8 [B, N, N, 3].

        Raises IndexError for a position below 0 or past the last image.
        """
        starts = [0, *accumulate(len(block) for block in self.blocks)]
        if ((positions < 0) | (positions >= starts[-1])).any():
            raise IndexError(f"there are images 0 to {starts[-1] - 1}, not all of {positions}")
        out = np.empty((len(positions), *self.blocks[0].shape[1:]), np.uint8)
        for (start, stop), block in zip(pairwise(starts), self.blocks, strict=True):
            chosen = (positions >= start) & (positions < stop)
            if chosen.any():
                out[chosen] = block[positions[chosen] - start]
        return out


def open_shards(folder: Path | str) -> Shards:
    """Open a split's folder by memory map, without reading or checking pixels.

    Raises UserError where a file is missing, or an array does not fit the index.
    """
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST)
    try:
        classes = list(manifest["classes"])
        # By length first: 99999.npy stands before 100000.npy.
        names = sorted(manifest["outputs"], key=lambda name: (len(name), name))
    except (KeyError, TypeError):
        raise UserError(f"{folder / MANIFEST} is no record of shards; {_MEND}") from None
    ids, labels = _read_index(folder / INDEX)
    blocks = open_blocks(folder, names)
    if sum(map(len, blocks)) != len(ids) or len({block.shape[1:] for block in blocks}) != 1:
        raise UserError(f"{folder}: {INDEX} and the shards do not fit together; {_MEND}")
    return Shards(ids, labels, classes, blocks)


def open_blocks(folder: Path, names: Iterable[str]) -> list[Images]:
    """The arrays among the named files, in that order, by memory map.

    Raises UserError for a file that is missing or holds no images.
    """
    return [_map(folder / name) for name in names if name.endswith(".npy")]


def _read_index(path: Path) -> tuple[list[str], npt.NDArray[np.int64]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [row["id"] for row in rows], np.array([int(row["label"]) for row in rows], np.int64)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {_MEND}") from None
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is damaged ({error}); {_MEND}") from error


def _map(path: Path) -> Images:
    try:
        block: Images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} cannot be opened ({error}); {_MEND}") from error
    if block.dtype != np.uint8 or block.ndim != 4:
        raise UserError(f"{path} holds {block.dtype} {list(block.shape)}, no images; {_MEND}")
    return block
