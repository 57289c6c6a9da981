"""Which attack a finding is about: checks of attacks are carried out on each attack by itself.

So a verdict holds for one attack's rows, and marks those alone. A check of the model as a whole is
carried out once, and concerns every number of the model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from itertools import chain
from typing import Any

from biorobust.checks.findings import Finding
from biorobust.checks.kinds import CHECKS

OF_THE_MODEL = frozenset(
    {
        *("batch_independence", "determinism", "finite_differences", "learned", "logits"),
        *("loss_landscape", "saturation", "unbounded", "zero_gradients"),
    }
)
"""The modules of the checks that judge no attack; those of all others look at `attacks`."""


def findings_of(
    name: str, given: Any, thresholds: Mapping[str, float]
) -> Iterator[tuple[Finding, Any]]:
    """The findings of a check on a `Recorded` or a `Subject`, each with what it was made from.

    One for each attack, the others' rows being there for comparison, or a single one of a check of
    the model as a whole. A check that applies to no attack at all is skipped once.
    """
    module = CHECKS[name].module
    check = import_module(module).check
    if module.rpartition(".")[2] in OF_THE_MODEL:
        # Two groups may hold one check, at different sizes and under different names.
        yield replace(check(given, thresholds), check=name), given
        return
    names = [attack.name for attack in getattr(given, "recorded", given).attacks]
    parts = [given.only(attack) for attack in names]
    found = [
        replace(check(part, thresholds), check=name, attack=attack)
        for attack, part in zip(names, parts, strict=True)
    ]
    if all(finding.verdict == "skipped" for finding in found):
        passes = {
            way: sum(getattr(finding, way) for finding in found)
            for way in ("forward_passes", "backward_passes")
        }
        unexamined = tuple(chain.from_iterable(finding.unexamined for finding in found))
        yield replace(found[0], attack="", unexamined=unexamined, **passes), given
    else:
        yield from zip(found, parts, strict=True)
