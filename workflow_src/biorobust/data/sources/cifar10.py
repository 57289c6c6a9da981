"""CIFAR-10 (Krizhevsky 2009): 32 x 32 colour, 50,000 training and 10,000 test images."""

from pathlib import Path

import numpy as np

from biorobust.data.sources.downloads import default_download_folder, explained
from biorobust.data.sources.source import Family, Source, array_items


def _open(path: Path | None, download_folder: Path | None) -> Source:
    """Downloads into `path` (else `download_folder`) unless `cifar-10-batches-py` is there.

    The archive's files are pickles; torchvision compares each with its published MD5 before it
    reads one.
    """
    root = path or download_folder or default_download_folder()
    advice = "go online once or set `path:` to the folder that holds cifar-10-batches-py"
    with explained("cifar10", root, advice):
        from torchvision.datasets import CIFAR10

        train, test = (CIFAR10(root, train=train, download=True) for train in (True, False))
    return Source(
        classes=tuple(train.classes),
        splits={
            "train": array_items("train", train.data, np.asarray(train.targets)),
            "test": array_items("test", test.data, np.asarray(test.targets)),
        },
    )


def _files(_path: Path | None) -> None:
    return None


CIFAR_10 = Family(_open, _files)
