"""Adversarial attacks: `PGD`, a Foolbox attack, and `build_attack`, resolved on first use."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "PGD": "biorobust.attacks.pgd",
    "build_attack": "biorobust.attacks.catalogue",
}

__all__ = ["PGD", "build_attack"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'biorobust.attacks' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
