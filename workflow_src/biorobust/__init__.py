"""Adversarial robustness of biologically inspired vision models, as a reproducible pipeline.

`load_model` opens a trained model from its `seed-<s>` folder, `build_model` makes an untrained
one. Both are resolved on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "load_model": "biorobust.models.registry",
    "build_model": "biorobust.models.registry",
}

__all__ = ["build_model", "load_model"]


_PACKAGES = ("attacks", "sampling")


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"biorobust.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'biorobust' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
