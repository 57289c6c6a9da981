"""The part of a card that tells of the results: counts and their sums, means and intervals."""

from collections.abc import Hashable, Iterable, Mapping
from math import isfinite, isnan
from typing import Any

import numpy as np
import pandas as pd

from biorobust.analysis.cards.schema import (
    Accuracy,
    CountOfSeed,
    Interval,
    ResultsPart,
    SeedCount,
    Smallest,
)
from biorobust.analysis.crossed import SeedSpread, estimate_share
from biorobust.analysis.robustness import summarise_robustness
from biorobust.analysis.statistics import mean_and_deviation, wilson_interval
from biorobust.analysis.summary import Grid, budgets, check_agreement, seed_spreads
from biorobust.analysis.verdicts import Verdicts, per_image

Condition = tuple[str, str] | None
"""An attack and an epsilon's text; None: clean images."""

_CONFIDENCE = 0.95


def finite(value: float) -> float | None:
    """The number as JSON may hold it: None for one that is infinite or NaN."""
    return float(value) if isfinite(value) else None


def results_part(
    rows: pd.DataFrame, corrections: pd.DataFrame, grid: Grid, model: str
) -> ResultsPart:
    """Every number measured on a model of the grid; epsilons ascend.

    `rows` and `corrections` are what the collect stage wrote of every model, since the spread of
    seeds is taken from all. Raises UserError where the jobs cannot stand in one table.
    """
    check_agreement(rows)
    (seeds,) = (each["seeds"] for each in grid["models"] if each["name"] == model)
    verdicts = per_image(rows)
    alone = per_image(rows.assign(broken=rows["broken_uncorrected"]))
    spreads = seed_spreads(verdicts, grid)
    helped = corrections[(corrections["model"] == model) & corrections["success"].astype(bool)]

    def accuracy(condition: Condition, helpers: list[str]) -> Accuracy:
        return _accuracy(condition, (verdicts, alone), model, seeds, spreads[condition], helpers)

    robustness = summarise_robustness(rows, grid)
    of_model = robustness[robustness["model"] == model]
    return {
        "images": int(rows["image"].nunique()),
        "confidence": _CONFIDENCE,
        "clean": accuracy(None, []),
        "adversarial": [
            accuracy((attack["name"], text), _helpers(helped, attack["name"], texts[: place + 1]))
            for attack in grid["attacks"]
            for texts in [list(budgets(attack))]
            for place, text in enumerate(texts)
        ],
        "smallest_perturbations": [_smallest(line, seeds) for line in of_model.to_dict("records")],
    }


def _helpers(corrections: pd.DataFrame, attack: str, texts: list[str]) -> list[str]:
    """The checks that broke images for an attack at one of its epsilons, by name.

    A correction is called "<attack>+<check>".
    """
    chosen = (corrections["corrects"] == attack) & corrections["epsilon_text"].isin(texts)
    names = corrections.loc[chosen, "attack"].unique()
    return sorted(str(name).removeprefix(f"{attack}+") for name in names)


def _accuracy(
    condition: Condition,
    verdicts: tuple[Verdicts, Verdicts],
    model: str,
    seeds: list[int],
    spread: SeedSpread,
    helpers: list[str],
) -> Accuracy:
    """`verdicts`: with what checks broke, and by the attacks alone."""
    kept, kept_alone = (each.of(model, seeds, condition) for each in verdicts)
    right = verdicts[0].of(model, seeds, None)
    counts: list[CountOfSeed] = []
    for seed, standing in kept.items():
        attacked, images = int(right[seed].sum()), len(standing)
        counts.append(
            {
                "seed": seed,
                "images": images,
                "attacked": attacked,
                "broken": attacked - int(standing.sum()),
                "broken_by_attack_alone": attacked - int(kept_alone[seed].sum()),
                "standing": int(standing.sum()),
            }
        )
    total = _sums(counts)
    images = counts[0]["images"]
    mean, deviation = mean_and_deviation([count["standing"] / images for count in counts])
    alone, _ = mean_and_deviation([int(kept_alone[seed].sum()) / images for seed in kept])
    low, high = wilson_interval(total["standing"] / len(counts), images, _CONFIDENCE)
    both: Interval | None = None
    if spread.freedom:
        estimate = estimate_share(np.array(list(kept.values()), dtype=np.float64), spread)
        least, most = estimate.interval(_CONFIDENCE)
        # A share of images is none below 0 or above 1.
        both = {"low": max(0.0, least), "high": min(1.0, most)}
    return {
        "attack": condition[0] if condition else None,
        "epsilon": condition[1] if condition else None,
        "mean": mean,
        "deviation": None if isnan(deviation) else deviation,
        "images_interval": {"low": low, "high": high},
        "images_and_seeds_interval": both,
        "by_attack_alone": alone,
        "corrected_by": helpers,
        "sum": total,
        "seeds": counts,
    }


def _sums(counts: Iterable[SeedCount]) -> SeedCount:
    """Carried in whole numbers, so that a mean can be checked against them."""
    found = list(counts)
    return {
        "images": sum(count["images"] for count in found),
        "attacked": sum(count["attacked"] for count in found),
        "broken": sum(count["broken"] for count in found),
        "broken_by_attack_alone": sum(count["broken_by_attack_alone"] for count in found),
        "standing": sum(count["standing"] for count in found),
    }


def _smallest(line: Mapping[Hashable, Any], seeds: list[int]) -> Smallest:
    counts = zip(seeds, line["never_broken"], line["total"], strict=True)
    return {
        "attack": line["attack"],
        "norm": line["norm"],
        "median": finite(line["median"]),
        "mean": finite(line["mean"]),
        "mean_of_broken": finite(line["mean_broken"]),
        "never_broken_share": line["never_broken_share"],
        "seeds": [
            {"seed": seed, "never_broken": int(never), "sum_of_sizes": float(total)}
            for seed, never, total in counts
        ],
    }
