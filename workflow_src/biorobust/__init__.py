"""Adversarial robustness of biologically inspired vision models, as a reproducible pipeline.

`load_model` opens a trained model from its `seed-<s>` folder, or from a file that `publish_model`
wrote; `build_model` makes an untrained one; `load_images` opens the images of an experiment. All
are resolved on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "load_model": "biorobust.models.registry",
    "build_model": "biorobust.models.registry",
    "publish_model": "biorobust.models.publishing",
    "load_images": "biorobust.data.tensors",
}

__all__ = ["build_model", "load_images", "load_model", "publish_model"]


_PACKAGES = ("attacks", "sampling")


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"biorobust.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'biorobust' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
