"""A user's own model, attack and data set, as small as can be, and where to put them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODEL = '''\
"""Two numbers an image."""

import torch
from biorobust.models.base import ImageClassifier
from own_helper import SCALE


class Own(ImageClassifier):
    def __init__(self, *, image_size: int, classes: int, gain: float = 1.0) -> None:
        super().__init__(image_size=image_size, classes=classes)
        if gain <= 0:
            raise ValueError(f"gain is {gain}; it must be positive")
        self.gain = gain
        self.head = torch.nn.Linear(3, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.gain * SCALE * images.mean((2, 3)))
'''
HELPER = "SCALE = 2.0\n"
ATTACK = """
from biorobust.attacks.base import BudgetAttack


class Darker(BudgetAttack):
    norm = "linf"

    def __init__(self, *, share: float = 1.0):
        self.share = share

    def perturb(self, model, images, labels, radius):
        return images - self.share * radius
"""
DATA = """
from pathlib import Path

import numpy as np
from biorobust.data.sources.source import Family, Source, array_items


def files(path):
    return {"images.npy": path / "images.npy"}


def open_own(path, download_folder):
    images = np.load(path / "images.npy")
    items = {split: array_items(split, images, np.arange(8) % 2) for split in ("train", "test")}
    return Source(classes=("even", "odd"), splits=items)


OWN = Family(open_own, files)
"""
FILES = {
    "own_model.py": MODEL,
    "own_helper.py": HELPER,
    "own_attack.py": ATTACK,
    "own_data.py": DATA,
}
CONFIG: dict[str, Any] = {
    "name": "own",
    "seeds": [0],
    "data": {"source": "digits", "image_size": 32},
    "training": {"epochs": 1},
    "models": [
        {"name": "plain", "kind": "standard"},
        {"name": "own", "kind": "own_model.py:Own", "gain": "1/2"},
    ],
    "attacks": [
        {"name": "pgd", "kind": "pgd", "epsilons": ["8/255"]},
        {"name": "darker", "kind": "own_attack.py:Darker", "epsilons": ["8/255"]},
    ],
}


def write_own(folder: Path, files: Mapping[str, str] = FILES) -> None:
    """Files in a folder, by default those above."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
