"""Honest models of each kind, in all their forms, pass the checks that always run."""

from typing import Any

import pytest

from biorobust.checks.kinds import CHECKS, checks_of
from biorobust.checks.recorded import AttackEntry
from examined import carried_out, examine, train
from test_models import VARIANTS, build

STRONG = AttackEntry(
    "linf-pgd",
    "pgd",
    "linf",
    {"norm": "linf", "steps": 8, "relative_step": 1 / 4},
    tuple((str(size), size) for size in (0.0003, 0.03)),
)
# With one attack alone, in one norm, these have nothing to compare.
NOTHING_TO_COMPARE = {
    *("epsilon_unit", "nesting", "recorded_black_box", "recorded_noise", "recorded_single_step"),
    "worst_case",
}


@pytest.mark.parametrize(
    ("kind", "options"), VARIANTS, ids=lambda value: value if isinstance(value, str) else "-"
)
def test_every_kind_passes(kind: str, options: dict[str, Any]) -> None:
    """But for the quickest, they are not trained: the labels are what the model says."""
    learned = kind == "standard"
    model = train(kind, options, epochs=1) if learned else build(kind, options, classes=10)
    model.requires_grad_(False)
    subject = examine(model, entries=[STRONG], count=8, own_labels=not learned)
    # A model that has not learned may name one class alone, as guessing does.
    always = {**checks_of("rows"), **checks_of("cheap")}.keys() - {"learned"}
    for check in [*always, "planted_weakness", "precision"]:
        wanted = CHECKS[check].thresholds
        smaller = {"images": 4} if wanted.get("images", 0) > 4 else {}
        found = carried_out(check, subject, **smaller)
        expected = "skipped" if check in NOTHING_TO_COMPARE else "pass"
        assert found.verdict == expected, found
