"""Passes that a group of checks takes at most, by the costs that its checks declare in words."""

import re
from collections.abc import Mapping
from typing import Any

from biorobust.checks.attacking import GRADIENT_ATTACKS
from biorobust.checks.kinds import CHECKS

_WORDS = re.compile(r"\d+|[a-z]+|[+*()]")


def group_passes(config: Mapping[str, Any], images: int) -> float:
    """Forward passes of all checks of a job; each has at most one backward pass with it.

    `config` is that of the job's plan (checks, attacks) and `images` the number of test images.
    It is reckoned as if every image survived every attack, all attacks along gradients were
    iterative, and the model drew no random numbers. What a check that warns takes besides, to
    make honest rows, does not count.
    """
    steps = [
        steps_of(attack["config"])
        for attack in config["attacks"]
        if attack["kind"] in GRADIENT_ATTACKS
    ]
    costs = [CHECKS[entry["name"]].cost for entry in config["checks"]]
    return sum(_check_passes(cost, images, steps) for cost in costs)


def steps_of(attack: Mapping[str, Any]) -> int:
    """The steps that an attack along gradients with this config takes on one image at most."""
    steps: int = attack.get("steps", 1) * attack.get("restarts", 1)
    return steps


def _check_passes(words: str, images: int, steps: list[int]) -> float:
    """Of one check; `steps` [a] are those of each attack.

    Costs are linear in "a", so that attacks with unlike steps add up.
    """
    names = {"n": images, "s": images, "a": 0, "steps": 0}
    without = cost_in_passes(words, names)
    return without + sum(
        cost_in_passes(words, {**names, "a": 1, "steps": each}) - without for each in steps
    )


def cost_in_passes(words: str, names: Mapping[str, float]) -> float:
    """What words such as "n + s a (1 + steps)" come to; names side by side are multiplied.

    "none" is 0, "at most" adds nothing, and a rarer case behind a semicolon is left out. Raises
    ValueError where a word is none of `names`, or brackets do not fit.
    """
    usual = words.partition(";")[0].removesuffix("at most")
    if usual == "none":
        return 0.0
    tokens = _WORDS.findall(usual)
    result = _sum(tokens, names)
    if tokens:
        raise ValueError(f"{words!r} is no cost: {tokens[0]!r} is too many")
    return result


def _sum(tokens: list[str], names: Mapping[str, float]) -> float:
    total = _product(tokens, names)
    while tokens[:1] == ["+"]:
        del tokens[0]
        total += _product(tokens, names)
    return total


def _product(tokens: list[str], names: Mapping[str, float]) -> float:
    product = _factor(tokens, names)
    while tokens and tokens[0] not in ("+", ")"):
        if tokens[0] == "*":
            del tokens[0]
        product *= _factor(tokens, names)
    return product


def _factor(tokens: list[str], names: Mapping[str, float]) -> float:
    token = tokens.pop(0) if tokens else "nothing"
    if token == "(":
        inner = _sum(tokens, names)
        if tokens[:1] != [")"]:
            raise ValueError("a bracket is not closed")
        del tokens[0]
        return inner
    if token.isdigit():
        return float(token)
    if token not in names:
        raise ValueError(f"{token!r} is none of {', '.join(names)}")
    return names[token]
