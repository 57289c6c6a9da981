"""Which differences between models are real: paired tests on the same images, corrected together.

A difference may hold for the trained networks at hand, or for these models however they are
seeded; only the latter tells of the models. So with several seeds the test is the one over images
and seeds (see `crossed`). McNemar's exact test within a seed compares two trained networks, and is
given beside it; with one seed it is all there is.
"""

from collections.abc import Iterable
from math import nan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from biorobust.analysis.crossed import (
    SeedSpread,
    Values,
    components,
    crossed_bootstrap,
    estimate_difference,
    seed_spread,
)
from biorobust.analysis.statistics import holm, mcnemar, odds_ratio
from biorobust.analysis.summary import CLEAN, Grid, budgets
from biorobust.analysis.verdicts import Booleans, Verdicts

# What is compared: accuracy, or what is left of the clean accuracy under attack.
ACCURACY, RETENTION = "accuracy", "retention"
LEVEL = 0.05

# What each seed of a model keeps, [N] booleans.
Kept = dict[int, Booleans]


class Comparison(NamedTuple):
    """Two models under one condition, the first expected to be better where one is.

    attack and epsilon are texts; "" and "clean" for clean images. measure: "accuracy", or
    "retention", the share of images not lost to the attack: broken, but right clean, is lost.
    """

    first: str
    second: str
    attack: str
    epsilon: str
    measure: str = ACCURACY


def against_the_first(grid: Grid) -> list[Comparison]:
    """Every model against the first of the grid: clean, then at each attack's epsilons, falling."""
    baseline, *others = (model["name"] for model in grid["models"])
    places = [("", CLEAN)]
    for attack in grid["attacks"]:
        texts = sorted(budgets(attack).items(), key=lambda epsilon: -epsilon[1])
        places += [(attack["name"], text) for text, _ in texts]
    return [Comparison(other, baseline, *place) for place in places for other in others]


def compare(verdicts: Verdicts, grid: Grid, comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per comparison, in order, each once. Shares are fractions. Columns:

    - first, second, attack, epsilon_text, measure; norm: the attack's, "" for clean images;
    - images; seeds: how many of the first and of the second, as a tuple;
    - first_share, second_share: means over seeds; difference: the first's less the second's;
    - low, high: its 95 % interval over images and seeds, or over images alone where no model of
      the experiment has two seeds;
    - centre, variance, freedom: the estimate of the difference from which they are;
    - only_first, only_second: images that only one keeps, a tuple over the seeds that both have;
      odds_ratio: of their sums;
    - mcnemar, mcnemar_holm: exact p-values over the same seeds, the latter corrected over all
      seeds of all comparisons;
    - bootstrap_low, bootstrap_high: the 95 % interval by drawing images and the same pairs of
      seeds anew. Too narrow with few seeds, and nothing is judged by it;
    - p: two-sided, over images and seeds, or McNemar's where no model has two seeds; p_holm:
      corrected over the comparisons;
    - told: 1 if the first is better, -1 if the second, by `p_holm` below 5 %; else 0;
    - image_variance, seed_variance, residual_variance: of the difference of one seed of each (see
      `power`), NaN with fewer than two seeds that both have.

    A comparison without results has no seeds, NaN for numbers, and counts for no correction.
    """
    norms = {attack["name"]: attack["norm"] for attack in grid["attacks"]}
    planned = {model["name"]: model["seeds"] for model in grid["models"]}
    spreads: dict[tuple[str, str, str], SeedSpread] = {}
    lines = []
    for comparison in dict.fromkeys(comparisons):
        condition = comparison[2:]
        if condition not in spreads:
            # All models tell how seeds vary, also those that are not compared.
            found = (kept_seeds(verdicts, name, planned[name], *condition) for name in planned)
            spreads[condition] = seed_spread(map(_matrix, filter(None, found)))
        first, second = (
            kept_seeds(verdicts, name, planned[name], *condition) for name in comparison[:2]
        )
        lines.append(
            {
                "first": comparison.first,
                "second": comparison.second,
                "attack": comparison.attack,
                "epsilon_text": comparison.epsilon,
                "measure": comparison.measure,
                "norm": norms.get(comparison.attack, ""),
                **(_measured(first, second, spreads[condition]) if first and second else _NOTHING),
            }
        )
    _correct(lines)
    return pd.DataFrame(lines)


def kept_seeds(
    verdicts: Verdicts, model: str, seeds: list[int], attack: str, epsilon: str, measure: str
) -> Kept:
    """What each seed of a model keeps, under a comparison's condition and by its measure."""
    kept = verdicts.of(model, seeds, None if epsilon == CLEAN else (attack, epsilon))
    if measure == ACCURACY:
        return kept
    return {seed: kept[seed] | ~verdicts.right[model, seed] for seed in kept}


_NUMBERS = [
    *("first_share", "second_share", "difference", "low", "high", "odds_ratio", "p"),
    *("centre", "variance", "freedom"),
    *("bootstrap_low", "bootstrap_high", "image_variance", "seed_variance", "residual_variance"),
]
_NOTHING: dict[str, Any] = {
    "images": 0,
    "seeds": (0, 0),
    "only_first": (),
    "only_second": (),
    "mcnemar": (),
    **dict.fromkeys(_NUMBERS, nan),
}


def _matrix(kept: Kept) -> Values:
    return np.array(list(kept.values()), dtype=np.float64)


def _measured(first: Kept, second: Kept, spread: SeedSpread) -> dict[str, Any]:
    mine, theirs = _matrix(first), _matrix(second)
    estimate = estimate_difference(mine, theirs, spread)
    low, high = estimate.interval()
    found: dict[str, Any] = {
        "images": mine.shape[1],
        "seeds": (len(mine), len(theirs)),
        "first_share": float(mine.mean()),
        "second_share": float(theirs.mean()),
        "difference": float(mine.mean() - theirs.mean()),
        # Two shares differ by no more than 1.
        "low": max(-1.0, low),
        "high": min(1.0, high),
        "centre": estimate.mean,
        "variance": estimate.variance,
        "freedom": estimate.freedom,
        "p": estimate.p_value(),
    }
    shared = [seed for seed in first if seed in second]
    if not shared:
        return {**_NOTHING, **found}
    difference = _matrix({s: first[s] for s in shared}) - _matrix({s: second[s] for s in shared})
    only_first = [int(count) for count in (difference > 0).sum(axis=1)]
    only_second = [int(count) for count in (difference < 0).sum(axis=1)]
    tests = [mcnemar(*counts) for counts in zip(only_first, only_second, strict=True)]
    found["bootstrap_low"], found["bootstrap_high"] = crossed_bootstrap(difference)
    found |= {
        "only_first": tuple(only_first),
        "only_second": tuple(only_second),
        "odds_ratio": odds_ratio(sum(only_first), sum(only_second)),
        "mcnemar": tuple(tests),
    }
    if not spread.freedom:
        found["p"] = tests[0]
    if len(shared) > 1:
        of_images = components(difference)
        found |= {
            "image_variance": of_images.image,
            "seed_variance": sum(spread.variance(float(kept.mean())) for kept in (mine, theirs)),
            "residual_variance": of_images.residual,
        }
    return {**_NOTHING, **found}


def _correct(lines: list[dict[str, Any]]) -> None:
    """Add what is corrected over all lines, and the verdict that follows from it."""
    tests = iter(holm([p for line in lines for p in line["mcnemar"]]))
    measured = [line for line in lines if line["seeds"] != (0, 0)]
    corrected = iter(holm([line["p"] for line in measured]))
    for line in lines:
        line["mcnemar_holm"] = tuple(next(tests) for _ in line["mcnemar"])
        line["p_holm"] = nan if line["seeds"] == (0, 0) else next(corrected)
        sign = (line["difference"] > 0) - (line["difference"] < 0)
        line["told"] = int(sign) if line["p_holm"] < LEVEL else 0
