"""Which attack a finding is about: checks of attacks are carried out on each attack by itself.

So a verdict holds for one attack's rows, and marks those alone. A check of the model as a whole is
carried out once, and concerns every number of the model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
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

    One for each attack that the check applies to, the others' rows being there for comparison, or
    a single one of a check of the model as a whole. A check that applies to no attack is skipped
    once.
    """
    module = CHECKS[name].module
    check = import_module(module).check
    if module.rpartition(".")[2] in OF_THE_MODEL:
        # Two groups may hold one check, at different sizes and under different names.
        yield replace(check(given, thresholds), check=name), given
        return
    skipped = []
    told = False
    recorded = getattr(given, "recorded", given)
    for attack in recorded.attacks:
        part = given.only(attack.name)
        finding = replace(check(part, thresholds), check=name, attack=attack.name)
        if finding.verdict == "skipped":
            skipped.append(finding)
        else:
            told = True
            yield finding, part
    if skipped and not told:
        passes = {
            way: sum(getattr(finding, way) for finding in skipped)
            for way in ("forward_passes", "backward_passes")
        }
        yield replace(skipped[0], attack="", **passes), given
