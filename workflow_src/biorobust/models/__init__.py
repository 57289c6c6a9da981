"""Image classifiers, one file a family; `build_model` makes a new one, `load_model` a trained one.

Both names are resolved on first use, so that importing one family does not import the others.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "build_model": "biorobust.models.registry",
    "load_model": "biorobust.models.registry",
}

__all__ = ["build_model", "load_model"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'biorobust.models' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
