"""Handwritten digits, 8 x 8 grey, as scikit-learn bundles them (UCI "optdigits", 1797 images)."""

import importlib.util
from pathlib import Path

import numpy as np

from biorobust.data.sources.source import Family, Source, array_items
from biorobust.errors import UserError

_WHITEST = 16
_TEST_EVERY = 5


def _bundled_file() -> Path:
    # Finding the package without importing it saves a second in each job that only hashes.
    spec = importlib.util.find_spec("sklearn")
    if spec is not None and spec.origin is not None:
        file = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return file
    raise UserError(
        "data source digits needs scikit-learn, whose bundled digits.csv.gz was not found here; "
        "install scikit-learn or choose another source"
    )


def _files(path: Path | None) -> dict[str, Path]:
    if path is not None:
        raise UserError(
            f"data source digits comes with scikit-learn and reads no folder: remove `path: {path}`"
        )
    return {"digits.csv.gz": _bundled_file()}


def _open(path: Path | None, _download_folder: Path | None) -> Source:
    """The pixels 0..16 are scaled to 0..255; in each class every fifth image, in file order, is
    a test image (the file has no split of its own).
    """
    (file,) = _files(path).values()
    table = np.loadtxt(file, delimiter=",")  # (1797, 65): 64 pixels and the label
    images = np.rint(table[:, :-1] * (255 / _WHITEST)).astype(np.uint8).reshape(-1, 8, 8)
    labels = table[:, -1].astype(np.int64)
    is_test = np.zeros(len(labels), dtype=bool)
    for label in range(10):
        is_test[np.flatnonzero(labels == label)[_TEST_EVERY - 1 :: _TEST_EVERY]] = True
    return Source(
        classes=tuple(str(digit) for digit in range(10)),
        splits={
            "train": array_items("train", images, labels, np.flatnonzero(~is_test).tolist()),
            "test": array_items("test", images, labels, np.flatnonzero(is_test).tolist()),
        },
    )


DIGITS = Family(_open, _files)
