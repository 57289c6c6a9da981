"""The part of a card that tells of the attacks: their settings, and epsilon in both its forms."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from biorobust.analysis.cards.schema import AttackPart, Epsilon

_GREY_LEVELS = 255


def attack_part(
    entry: Mapping[str, Any], catalogue: Mapping[str, Any], image_size: int
) -> AttackPart:
    """One attack. `entry` is the outline's, `catalogue` has `attacks` by kind."""
    options = {k: v for k, v in entry["config"].items() if k not in ("kind", "norm")}
    step = options.get("relative_step", 1.0 if entry["kind"] == "fgsm" else None)
    single = step is not None and options.get("steps", 1) == 1
    # Nobody but its author knows how somebody's own attack searches.
    method = catalogue["attacks"].get(entry["kind"], {"method": "one of its own"})["method"]
    return {
        "name": entry["name"],
        "kind": entry["kind"],
        "norm": entry["norm"],
        "method": "single step" if single else method,
        "options": options,
        "epsilons": [
            both_forms(epsilon["text"], epsilon["value"], entry["norm"], image_size, step)
            for epsilon in entry["epsilons"]
            if epsilon["value"] is not None
        ],
    }


def both_forms(
    text: str, value: float, norm: str, image_size: int, relative_step: float | None = None
) -> Epsilon:
    """A size in the attack's norm, per pixel and on the 0 to 255 scale of images N x N.

    A true L2 size is the root-mean-square size times sqrt(3 N N): 554.26 for 320 x 320, where the
    thesis and the paper call the latter L2 (as Foolbox 2 does).
    """
    root = sqrt(3 * image_size**2)
    per_pixel = value / root if norm == "l2" else value
    return {
        "text": text,
        "value": value,
        "per_pixel": per_pixel,
        "per_pixel_8bit": per_pixel * _GREY_LEVELS,
        "l2": {"l2": value, "rms": value * root}.get(norm),
        "step": None if relative_step is None else relative_step * value,
    }
