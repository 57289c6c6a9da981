"""Fashion-MNIST (Xiao et al. 2017): 28 x 28 grey, 60,000 training and 10,000 test images.

Read from its four IDX files, plain or gzipped. IDX: a big-endian magic number 0x000008dd (08 =
unsigned bytes, dd = number of dimensions), one 32-bit size for each dimension, then the bytes.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from biorobust.data.sources.downloads import default_download_folder, explained, staged
from biorobust.data.sources.source import Family, Source, Split, array_items
from biorobust.errors import UserError

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_STEMS: dict[Split, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_ADVICE = (
    "install the Debian package dataset-fashion-mnist, or set `path:` to a folder with the four "
    "IDX files"
)


def _files(path: Path | None) -> dict[str, Path] | None:
    """The four IDX files of `path`, else of the Debian package, else None: they are downloaded."""
    if path is None and not DEBIAN_FOLDER.is_dir():
        return None
    return {file.name: file for file in _idx_files(path or DEBIAN_FOLDER).values()}


def _idx_files(folder: Path) -> dict[str, Path]:
    found, missing = {}, []
    for stem in (stem for stems in _STEMS.values() for stem in stems):
        candidates = [folder / name for name in (stem, f"{stem}.gz") if (folder / name).is_file()]
        if candidates:
            found[stem] = candidates[0]
        else:
            missing.append(stem)
    if missing:
        raise UserError(
            f"data source fashion_mnist: {folder} has no {', '.join(missing)} (plain or .gz); "
            f"{_ADVICE}"
        )
    return found


def _open(path: Path | None, download_folder: Path | None) -> Source:
    if path is None and not DEBIAN_FOLDER.is_dir():
        path = _downloaded(download_folder or default_download_folder())
    files = _idx_files(path or DEBIAN_FOLDER)
    return Source(
        classes=_CLASSES,
        splits={
            split: array_items(split, *_images_and_labels(files[images], files[labels]))
            for split, (images, labels) in _STEMS.items()
        },
    )


def _downloaded(root: Path) -> Path:
    folder = root / "FashionMNIST"
    if not folder.is_dir():
        with explained("fashion_mnist", root, _ADVICE), staged(folder) as staging:
            from torchvision.datasets import FashionMNIST

            FashionMNIST(staging, download=True)
    return folder / "raw"


def _images_and_labels(image_file: Path, label_file: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _read_idx(image_file, dimensions=3), _read_idx(label_file, dimensions=1)
    if len(images) != len(labels):
        raise UserError(
            f"{image_file} has {len(images)} images but {label_file} has {len(labels)} labels; "
            "use the two files of one data set"
        )
    if labels.max() >= len(_CLASSES):
        raise UserError(
            f"{label_file} has the label {labels.max()}, Fashion-MNIST's are 0 to 9; "
            "use the original file"
        )
    return images, labels


def _read_idx(file: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of `dimensions` dimensions in an IDX file, gzipped if its name ends in .gz.

    Raises UserError where the file cannot be read, is not such an array, is empty, or is shorter
    or longer than its header says.
    """
    try:
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{file} cannot be read ({error}); fetch the file again") from error
    header = 4 + 4 * dimensions
    magic = 0x0800 + dimensions
    if len(content) < header or int.from_bytes(content[:4], "big") != magic:
        raise UserError(
            f"{file} is no IDX file of bytes in {dimensions} dimensions (it should start with "
            f"0x{magic:08x}); fetch the file again"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected = int(np.prod(shape, dtype=object))
    if expected == 0 or len(content) - header != expected:
        raise UserError(
            f"{file} holds {len(content) - header} bytes of data where its header promises "
            f"{'x'.join(map(str, shape))} = {expected}; fetch the file again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


FASHION_MNIST = Family(_open, _files)
