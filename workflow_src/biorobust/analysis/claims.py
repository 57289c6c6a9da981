"""Claims about models, each judged supported, contradicted or undecided on the data at hand."""

from math import nan
from typing import Any

import pandas as pd

from biorobust.analysis.crossed import Estimate
from biorobust.analysis.differences import LEVEL, Comparison, compare
from biorobust.analysis.statistics import holm
from biorobust.analysis.summary import Grid
from biorobust.analysis.verdicts import Verdicts

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
# How far off "similar" and "not_lower" may be is the claim's margin, in points.
HIGHER, NOT_LOWER, SIMILAR = "higher", "not_lower", "similar"


def weigh(verdicts: Verdicts, grid: Grid, claims: list[dict[str, Any]]) -> pd.DataFrame:
    """Every comparison of every claim: one row each, in order.

    `claims` are entries with name, direction, margin (points, or None) and comparisons (the fields
    of `Comparison`). The columns are those of `compare`, but for what concerns the table of
    differences alone, and

    - claim, direction, margin;
    - p: two-sided, of what the claim's direction is held against: no difference, or a difference
      of just the margin. For "similar" it is the larger of both margins' p where the difference
      lies between them (two one-sided tests, Schuirmann 1987), else that of the nearer one;
    - p_holm: p corrected over all rows that are not one and the same test;
    - told: 1 if the comparison comes out as claimed, -1 if it comes out otherwise, by `p_holm`
      below 5 %; else 0.
    """
    named = [(claim, Comparison(*entry)) for claim in claims for entry in claim["comparisons"]]
    found = compare(verdicts, grid, [comparison for _, comparison in named])
    by_comparison = {
        Comparison(*(line[key] for key in _IDENTITY)): line for line in found.to_dict("records")
    }
    tests: dict[tuple[Any, ...], tuple[float, int]] = {}
    lines = []
    for claim, comparison in named:
        line = by_comparison[comparison]
        margin = nan if claim["margin"] is None else claim["margin"]
        test = (comparison, claim["direction"], claim["margin"])
        tests[test] = _test(line, claim["direction"], margin / 100)
        lines.append({**line, "claim": claim["name"], "direction": claim["direction"]})
        lines[-1] |= {"margin": margin, "test": test, "p": tests[test][0]}
    measured = {test: p for test, (p, _) in tests.items() if p == p}
    corrected = dict(zip(measured, holm(list(measured.values())), strict=True))
    for line in lines:
        test = line.pop("test")
        line["p_holm"] = corrected.get(test, nan)
        line["told"] = tests[test][1] if line["p_holm"] < LEVEL else 0
    return pd.DataFrame(lines)[_COLUMNS]


def judge(lines: pd.DataFrame) -> dict[str, str]:
    """The verdict on each claim, from what `weigh` returns.

    A claim says that each of its comparisons comes out one way. It is contradicted as soon as one
    comes out the other way, supported if all come out as claimed, and undecided otherwise.
    """
    verdicts = {}
    for claim, told in lines.groupby("claim", sort=False)["told"]:
        if (told < 0).any():
            verdicts[str(claim)] = CONTRADICTED
        else:
            verdicts[str(claim)] = SUPPORTED if (told > 0).all() else UNDECIDED
    return verdicts


_IDENTITY = ["first", "second", "attack", "epsilon_text", "measure"]
_COLUMNS = ["claim", "direction", "margin", *_IDENTITY]
_COLUMNS += ["norm", "images", "seeds", "first_share", "second_share", "difference", "low", "high"]
_COLUMNS += ["p", "p_holm", "told"]


def _test(line: dict[Any, Any], direction: str, margin: float) -> tuple[float, int]:
    """The p-value, and which way the comparison comes out if that is small enough."""
    if not line["images"]:
        return nan, 0
    if direction == HIGHER:
        return line["p"], 1 if line["difference"] > 0 else -1
    estimate = Estimate(line["centre"], line["variance"], line["freedom"])
    below, above = estimate.p_value(against=-margin), estimate.p_value(against=margin)
    if direction == NOT_LOWER:
        return below, 1 if estimate.mean > -margin else -1
    if abs(estimate.mean) < margin:
        return max(below, above), 1
    return (above if estimate.mean > 0 else below), -1
