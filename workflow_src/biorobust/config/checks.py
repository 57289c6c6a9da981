"""What a config may say of the checks: which groups run, and where each check warns and fails."""

import difflib
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from biorobust.checks.kinds import ALWAYS, CHECKS, GROUPS_OF
from biorobust.config.values import Number, Section, repeated

Group = Literal["rows", "cheap", "thorough"]  # the keys of GROUPS_OF
Thresholds = dict[str, dict[str, Number]]


def _in_order(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    if not set(ALWAYS) <= set(groups) or repeated(groups):
        raise ValueError(f"must be [{', '.join(ALWAYS)}], which always run, or with thorough added")
    return tuple(sorted(groups, key=[*GROUPS_OF].index))


def _known(thresholds: Thresholds) -> Thresholds:
    for name, given in thresholds.items():
        if name not in CHECKS:
            near = difflib.get_close_matches(name, CHECKS, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(f"there is no check {name!r}{hint}; the checks: {', '.join(CHECKS)}")
        allowed = CHECKS[name].thresholds
        for threshold in given:
            if threshold not in allowed:
                raise ValueError(
                    f"check {name} has no threshold {threshold!r}; allowed: {', '.join(allowed)}"
                )
    return thresholds


class Checks(Section):
    """Checks of the evaluation itself; `thresholds` are by check, e.g. monotone: {warn: 1}."""

    groups: Annotated[tuple[Group, ...], AfterValidator(_in_order)] = ("rows", "cheap")
    thresholds: Annotated[Thresholds, AfterValidator(_known)] = Field(default_factory=dict)
