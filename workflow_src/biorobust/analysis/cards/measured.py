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
from biorobust.analysis.verdicts import Booleans, per_image

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
    own, found = (each[each["model"] == model] for each in (rows, corrections))

    def accuracy(condition: Condition, helpers: list[str]) -> Accuracy:
        kept, kept_alone = (each.of(model, seeds, condition) for each in (verdicts, alone))
        attacked = {seed: int(standing.sum()) for seed, standing in kept.items()}
        counts = _counts(kept, kept_alone, _attacked(own, *condition) if condition else attacked)
        return _accuracy(condition, counts, kept, spreads[condition], helpers)

    robustness = summarise_robustness(rows, grid, corrections)
    of_model = robustness[robustness["model"] == model]
    return {
        "images": int(rows["image"].nunique()),
        "confidence": _CONFIDENCE,
        "clean": accuracy(None, []),
        "adversarial": [
            accuracy((attack["name"], text), _helpers(own, found, attack["name"], text, within))
            for attack in grid["attacks"]
            for texts in [list(budgets(attack))]
            for place, text in enumerate(texts)
            for within in [texts[: place + 1]]
        ],
        "smallest_perturbations": [_smallest(line, seeds) for line in of_model.to_dict("records")],
    }


def _attacked(rows: pd.DataFrame, attack: str, text: str) -> dict[int, int]:
    """By seed, how many images were classified correctly when they were to be attacked.

    Counted in the job's own rows: the clean predictions of a model that draws at random differ.
    """
    here = rows[(rows["attack"] == attack) & (rows["epsilon_text"] == text)]
    right = here["clean_prediction"] == here["label"]
    return {int(seed): int(right[here["seed"] == seed].sum()) for seed in here["seed"].unique()}


def _helpers(
    rows: pd.DataFrame, corrections: pd.DataFrame, attack: str, text: str, within: list[str]
) -> list[str]:
    """The checks that broke what an attack left standing at one of its epsilons, by name.

    `within`: the epsilons up to that one. A correction is called "<attack>+<check>", and may hold
    the attack's own successes as well.
    """
    here = (rows["attack"] == attack) & (rows["epsilon_text"] == text)
    missed = rows[here & ~rows["broken_uncorrected"].astype(bool)]
    images = pd.MultiIndex.from_frame(missed[["seed", "image"]])
    chosen = (corrections["corrects"] == attack) & corrections["epsilon_text"].isin(within)
    broke = corrections[chosen & corrections["success"].astype(bool)]
    broke = broke[pd.MultiIndex.from_frame(broke[["seed", "image"]]).isin(images)]
    return sorted(str(name).removeprefix(f"{attack}+") for name in broke["attack"].unique())


def _counts(
    kept: Mapping[int, Booleans], alone: Mapping[int, Booleans], attacked: Mapping[int, int]
) -> list[CountOfSeed]:
    """`kept` and `alone` by seed: what stands, with and without what checks broke."""
    return [
        {
            "seed": seed,
            "images": len(standing),
            "attacked": attacked[seed],
            "broken": attacked[seed] - int(standing.sum()),
            "broken_by_attack_alone": attacked[seed] - int(alone[seed].sum()),
            "standing": int(standing.sum()),
        }
        for seed, standing in kept.items()
    ]


def _accuracy(
    condition: Condition,
    counts: list[CountOfSeed],
    kept: Mapping[int, Booleans],
    spread: SeedSpread,
    helpers: list[str],
) -> Accuracy:
    total = _sums(counts)
    images = counts[0]["images"]
    mean, deviation = mean_and_deviation([count["standing"] / images for count in counts])
    alone, _ = mean_and_deviation(
        [(count["attacked"] - count["broken_by_attack_alone"]) / images for count in counts]
    )
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
        "by_attack_alone": {
            "median": finite(line["median_uncorrected"]),
            "mean": finite(line["mean_uncorrected"]),
            "mean_of_broken": finite(line["mean_broken_uncorrected"]),
            "never_broken_share": line["never_broken_share_uncorrected"],
        },
        "seeds": [
            {"seed": seed, "never_broken": int(never), "sum_of_sizes": float(total)}
            for seed, never, total in counts
        ],
    }
