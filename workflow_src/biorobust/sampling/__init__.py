"""Ways to look at an image: from a batch of images and gazes to views, differentiable in images.

The names below are public and stay stable; they are resolved on first use.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "cortical_scales": "biorobust.sampling.cortical",
    "retinal_warp": "biorobust.sampling.retinal",
}

__all__ = ["cortical_scales", "retinal_warp"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'biorobust.sampling' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
