"""Which checks there are: where the code of each stands, its group, thresholds and cost.

Groups: "rows" reads what the attacks recorded, "cheap" runs the model on few images, "thorough"
runs it often, on request. A figure above `warn` warns, above `fail` fails, unless a check's own
docstring says otherwise; a config may give other thresholds.
"""

from collections.abc import Mapping
from typing import NamedTuple

GROUPS = ("rows", "cheap", "thorough")
ALWAYS = ("rows", "cheap")
RUNS_MODEL = ("cheap", "thorough")
# Whose checks may attack the experiment's plain model, to see what that breaks in another.
TRANSFERS = ("thorough",)


class Check(NamedTuple):
    """A check: its module, its group, its default thresholds, and its passes in words."""

    module: str
    group: str
    thresholds: Mapping[str, float]
    cost: str


def _of_rows(name: str, **thresholds: float) -> Check:
    return Check(f"biorobust.checks.{name}", "rows", thresholds, "none")


CHECKS: dict[str, Check] = {
    "possible_values": _of_rows("possible_values", warn=0, fail=0),
    "silent_success": _of_rows("silent_success", warn=0, fail=0),
    "ball_kept": _of_rows("ball_kept", warn=0, fail=0),
    "ball_used": _of_rows("ball_used", warn=0.5, fail=0.9),
    "epsilon_unit": _of_rows("epsilon_unit", warn=0.9, fail=0.99, grey_levels=0.3),
    "monotone": _of_rows("monotone", warn=1, fail=3),
    "nesting": _of_rows("nesting", warn=0, fail=0.01),
    "recorded_noise": _of_rows("recorded_noise", warn=0, fail=0.01),
    "recorded_single_step": _of_rows("recorded_single_step", warn=0.01, fail=0.03),
    "recorded_black_box": _of_rows("recorded_black_box", warn=0.002, fail=0.01),
    "worst_case": _of_rows("worst_case", warn=0.01, fail=0.03),
}


def checks_of(group: str) -> dict[str, Check]:
    """The checks of a group, by name, in the order in which they are told."""
    return {name: check for name, check in CHECKS.items() if check.group == group}
