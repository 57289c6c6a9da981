"""Small data sets on disk, written without the code under test."""

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

IMAGENET10 = (
    "n01742172",
    "n02099712",
    "n02123045",
    "n01644373",
    "n01665541",
    "n01855672",
    "n02510455",
    "n01484850",
    "n01981276",
    "n02206856",
)
IMAGENETTE = (
    "n01440764",
    "n02102040",
    "n02979186",
    "n03000684",
    "n03028079",
    "n03394916",
    "n03417042",
    "n03425413",
    "n03445777",
    "n03888257",
)


def write_image(file: Path, grey: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3), grey).save(file, "PNG" if file.suffix.lower() == ".png" else "JPEG")


def write_synsets(root: Path, synsets: Sequence[str]) -> None:
    for split in ("train", "val"):
        for label, synset in enumerate(synsets):
            write_image(root / split / synset / f"{synset}_1.JPEG", 10 * label)


def write_idx(file: Path, array: np.ndarray) -> None:
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)


def write_fashion(folder: Path, suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 6), ("t10k", 3)):
        images = np.arange(count * 4 * 5).reshape(count, 4, 5) % 251
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", np.arange(count) % 10)


def write_pets(root: Path) -> Path:
    """An image folder of two classes, two images in each split: greys 0, 1, 100 and 101."""
    for split in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            for number in range(2):
                write_image(root / split / name / f"{number}.png", 100 * label + number)
    return root
