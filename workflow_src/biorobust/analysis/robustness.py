"""Robustness as the smallest perturbation that fools a model: of each image, then summed up.

Thesis §2.2, after Szegedy et al. 2013: R is the mean over images of rho(x), the size of the
smallest perturbation with which x is misclassified. No attack is sure to find that one, so every
size here is an upper bound, and the best bound is the smallest over several attacks (Rauber et
al. 2017, Foolbox). What checks broke inside an attack's ball counts as found by that attack.
"""

from collections.abc import Hashable, Sequence
from math import fsum, inf, isfinite, nan
from typing import Any

import numpy as np
import pandas as pd

from biorobust.analysis.statistics import mean_and_deviation
from biorobust.analysis.summary import NORMS, Grid, check_agreement
from biorobust.errors import UserError

# Where the name of an attack stands else; no attack's name can hold a blank.
OVER_ATTACKS = "smallest over attacks"

STATISTICS = ("median", "mean", "mean_broken", "never_broken_share")

_SIZES = list(NORMS)
_SEED = ["model", "seed"]
_ATTACK = [*_SEED, "attack"]
_JOB = [*_ATTACK, "epsilon_text"]


def smallest_by_attack(
    rows: pd.DataFrame, grid: Grid, corrections: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The smallest perturbation that each attack found of each image, in each norm.

    `rows` holds one row per test image of each job (the collect stage's table); `corrections` are
    the checks' honest rows, each of which counts for the attack that it corrects. One row per
    (model, seed, attack, image), whose columns `linf`, `l2` and `rms` are sizes, for pixel values
    in [0, 1]: 0 where the clean image is misclassified, else the smallest over the attack's rows
    whose returned image is adversarial, whatever norm the attack itself was bounded in; infinite
    where there is none. An attack with fixed epsilons counts with the perturbations that it
    returned: coarse upper bounds, since it stops at the first one that succeeds. An attack of
    which a job is missing is left out for that (model, seed): more jobs may find smaller ones.

    Raises UserError as `check_agreement` does, and where an adversarial image's size is no number.
    """
    check_agreement(rows)
    found = _sizes_found(rows)
    planned = {attack["name"]: len(attack["epsilons"]) for attack in grid["attacks"]}
    finished = found.groupby(_ATTACK)["epsilon_text"].transform("nunique")
    whole = found[finished == found["attack"].map(planned)]
    if corrections is not None and len(corrections):
        honest = _sizes_found(corrections.assign(attack=corrections["corrects"]))
        jobs = pd.MultiIndex.from_frame(whole[_JOB])
        corrected = pd.MultiIndex.from_frame(honest[_JOB]).isin(jobs)
        whole = pd.concat([whole, honest[corrected]])
    return whole.groupby([*_ATTACK, "image"], sort=False, as_index=False)[_SIZES].min()


def _sizes_found(rows: pd.DataFrame) -> pd.DataFrame:
    """Each row's image with the sizes of its perturbation: 0 or infinite as told above."""
    adversarial = rows["success"].astype(bool) & (rows["adversarial_prediction"] != rows["label"])
    senseless = adversarial & ~rows[_SIZES].ge(0).all(axis=1)
    if senseless.any():
        row = rows[senseless].iloc[0]
        raise UserError(
            f"{row['model']} seed {row['seed']}, {row['attack']}: the size of the perturbation of "
            f"image {row['image']} is not a number from 0 up; delete this job's rows and run again"
        )
    correct = rows["clean_prediction"] == rows["label"]
    sizes = rows[_SIZES].where(adversarial, inf, axis=0).where(correct, 0.0, axis=0)
    return pd.concat([rows[[*_JOB, "image"]], sizes], axis=1)


def smallest_over_attacks(by_attack: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """The smallest perturbation of each image over all attacks (Rauber et al. 2017).

    `by_attack` is what `smallest_by_attack` returns for `grid`; the result has its columns, with
    OVER_ATTACKS as the attack. A (model, seed) that lacks an attack is left out, since fewer
    attacks find larger perturbations. In each norm the smallest may be another attack's.
    """
    present = by_attack.groupby(_SEED)["attack"].transform("nunique")
    whole = by_attack[present == len(grid["attacks"])]
    smallest = whole.groupby([*_SEED, "image"], sort=False, as_index=False)[_SIZES].min()
    smallest.insert(2, "attack", OVER_ATTACKS)
    return smallest


def summarise_robustness(
    rows: pd.DataFrame, grid: Grid, corrections: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Robustness of every model of `grid`: over all attacks and under each, in each norm.

    What the checks' `corrections` broke counts (see `smallest_by_attack`).
    One row per (norm, model, attack), OVER_ATTACKS before the attacks of the grid. Columns:

    - norm, model, kind, attack;
    - images: N, one test set for all; seeds: how many have all jobs that the row needs; missing:
      how many planned seeds have not. All else is computed from the seeds that have;
    - never_broken: tuple with the count of each seed (in the grid's order) of images on which no
      attack succeeded; total: tuple with each seed's sum of sizes over the other images;
    - median: over all N images, an image never broken counting as infinite: it is exact as to
      these as long as they are fewer than half, and infinite otherwise;
    - mean: the thesis's R, the sum over N, misclassified images counting 0; infinite where an
      image was never broken, since of its size nothing is known but that no attack found it;
    - mean_broken: the sum over the images that are misclassified or broken; NaN where none is.
      It is neither an upper nor a lower bound of R: the most robust images are what it lacks;
    - never_broken_share: never_broken over N.

    The last four are means over seeds, each with its sample standard deviation in a column of
    the same name and `_std`, NaN where one seed has a result or the value is not finite, and with
    the mean that the attacks alone give in one of the same name and `_uncorrected`.
    Raises UserError as `smallest_by_attack` does.
    """
    images = int(rows["image"].nunique())
    found, alone = _by_key(rows, grid, corrections), _by_key(rows, grid, None)
    lines: list[dict[str, Any]] = []
    for norm in NORMS:
        for model in grid["models"]:
            for attack in [OVER_ATTACKS, *(entry["name"] for entry in grid["attacks"])]:
                keys = [(model["name"], seed, attack) for seed in model["seeds"]]
                seeds, own = (
                    [sizes[key][norm].to_numpy(float) for key in keys if key in sizes]
                    for sizes in (found, alone)
                )
                uncorrected = _summed_up(own)
                lines.append(
                    {
                        "norm": norm,
                        "model": model["name"],
                        "kind": model["kind"],
                        "attack": attack,
                        "images": images,
                        "seeds": len(seeds),
                        "missing": len(keys) - len(seeds),
                        **_summed_up(seeds),
                        **{f"{name}_uncorrected": uncorrected[name] for name in STATISTICS},
                    }
                )
    return pd.DataFrame(lines)


def _by_key(
    rows: pd.DataFrame, grid: Grid, corrections: pd.DataFrame | None
) -> dict[Hashable, pd.DataFrame]:
    """The sizes of each (model, seed, attack), OVER_ATTACKS among the attacks."""
    by_attack = smallest_by_attack(rows, grid, corrections)
    sizes = pd.concat([smallest_over_attacks(by_attack, grid), by_attack])
    return dict(iter(sizes.groupby(_ATTACK, sort=False)))


def survival(smallest: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The share of images that are classified correctly up to each of `sizes`.

    `smallest` [N] holds each image's smallest perturbation: 0 where it is misclassified clean,
    infinite where it was never broken. The area under this curve is the mean of `smallest`.
    """
    below = np.searchsorted(np.sort(smallest), sizes, side="right")
    return np.asarray(1 - below / len(smallest))


def survival_curves(
    rows: pd.DataFrame, grid: Grid, corrections: pd.DataFrame | None = None
) -> pd.DataFrame:
    """For each norm and model the share of images still classified correctly, against size.

    The smallest perturbation over all attacks and the checks' `corrections` counts. One row per
    (norm, model, size) with the columns `mean` and `std` over seeds (fractions; std is NaN with
    one seed) and `uncorrected`, the mean that the attacks alone give, for size 0, each size at
    which an image of a seed falls, and last the largest found in this norm of any model: between
    the sizes the curve is level. A model without a complete seed has no rows. Raises UserError as
    `smallest_by_attack` does.
    """
    smallest, alone = (
        smallest_over_attacks(smallest_by_attack(rows, grid, besides), grid)
        for besides in (corrections, None)
    )
    curves = []
    for norm in NORMS:
        largest = max(
            sizes[norm].where(np.isfinite(sizes[norm])).max() for sizes in (smallest, alone)
        )
        for model, group in smallest.groupby("model", sort=False):
            own = alone[alone["model"] == model]
            sizes = {size for size in (*group[norm], *own[norm]) if isfinite(size)}
            places = np.array(sorted({0.0, *sizes}))
            if places[-1] < largest:
                places = np.append(places, largest)
            shares, uncorrected = (
                np.array([survival(s.to_numpy(float), places) for _, s in of.groupby("seed")[norm]])
                for of in (group, own)
            )  # (seeds, places)
            curves.append(
                pd.DataFrame(
                    {
                        "norm": norm,
                        "model": model,
                        "size": places,
                        "mean": shares.mean(axis=0),
                        "std": shares.std(axis=0, ddof=1) if len(shares) > 1 else nan,
                        "uncorrected": uncorrected.mean(axis=0),
                    }
                )
            )
    columns = ["norm", "model", "size", "mean", "std", "uncorrected"]
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=columns)


def _summed_up(seeds: Sequence[np.ndarray]) -> dict[str, Any]:
    broken = [sizes[np.isfinite(sizes)] for sizes in seeds]
    never = [len(sizes) - len(finite) for sizes, finite in zip(seeds, broken, strict=True)]
    # fsum rounds once, so that no order of the images shows in the last digit.
    totals = [fsum(finite) for finite in broken]
    values = {
        "median": [float(np.median(sizes)) for sizes in seeds],
        "mean": [fsum(sizes) / len(sizes) for sizes in seeds],
        "mean_broken": [
            total / len(finite) if len(finite) else nan
            for total, finite in zip(totals, broken, strict=True)
        ],
        "never_broken_share": [
            count / len(sizes) for count, sizes in zip(never, seeds, strict=True)
        ],
    }
    summed: dict[str, Any] = {"never_broken": tuple(never), "total": tuple(totals)}
    for name, of_seeds in values.items():
        summed[name], summed[f"{name}_std"] = _over_seeds(of_seeds)
    return summed


def _over_seeds(values: list[float]) -> tuple[float, float]:
    if not values:
        return nan, nan
    # Infinite and NaN pass through a sum; a deviation of them there is not.
    return mean_and_deviation(values) if all(map(isfinite, values)) else (fsum(values), nan)
