"""Times and sizes as people read them."""

from collections.abc import Mapping
from math import isnan
from typing import Any


def duration(seconds: float) -> str:
    """A time with one decimal, in hours, minutes or seconds, whichever is the largest below it."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def peak_memory(cost: Mapping[Any, Any]) -> list[str]:
    """A cell with the most that was held: `memory_bytes`, and `gpu_memory_bytes` below it.

    NaN stands for what is unknown, or for no GPU.
    """
    found = [
        f"{prefix}{cost[column] / 2**30:.2f} GiB"
        for prefix, column in (("", "memory_bytes"), ("GPU ", "gpu_memory_bytes"))
        if not isnan(cost[column])
    ]
    return found or ["unknown"]
