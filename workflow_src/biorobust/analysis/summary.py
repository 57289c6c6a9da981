"""From one row an image to one row an accuracy: read the collected results and sum them up."""

from math import nan
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import pandas as pd

from biorobust.analysis.crossed import SeedSpread, estimate_share, seed_spread
from biorobust.analysis.statistics import mean_and_deviation, wilson_interval
from biorobust.analysis.verdicts import Booleans, Verdicts, per_image
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.places import AttackJob, attack_jobs

CLEAN = "clean"
NORMS = ("linf", "l2", "rms")

_JOB = ["model", "seed", "attack", "epsilon_text"]
_COLUMNS = [*_JOB, "image", "label", "clean_prediction", "broken"]
_VERDICT = ["adversarial_prediction", "success", *NORMS]
_REQUIRED = [*_COLUMNS, *_VERDICT, "attack_kind", "steps"]
_CORRECTED = [*_JOB, "corrects", "image", "label", "clean_prediction", *_VERDICT]


class Epsilon(TypedDict):
    """A ball's size: `text` as the config writes it, `value` in the attack's norm.

    An attack that looks for the smallest perturbation itself has one entry in this place, with
    the text "minimal" and no value.
    """

    text: str
    value: float | None


class Attack(TypedDict):
    """An attack, its norm ("linf", "l2" or "rms") and its epsilons, ascending."""

    name: str
    norm: str
    epsilons: list[Epsilon]


class Model(TypedDict):
    """A model of the experiment and the seeds that it is trained with."""

    name: str
    kind: str
    seeds: list[int]


class Group(TypedDict):
    """A group of checks, by name."""

    name: str


class Grid(TypedDict):
    """Everything that the experiment asks for: each seed of each model, under each attack."""

    models: list[Model]
    attacks: list[Attack]
    checks: list[Group]


def budgets(attack: Attack) -> dict[str, float]:
    """The epsilons that an attack is given, by text; none where it looks for the smallest."""
    return {e["text"]: e["value"] for e in attack["epsilons"] if e["value"] is not None}


class Results(NamedTuple):
    """What the collect stage wrote: a row an image and job, the grid, and the gaps in it."""

    rows: pd.DataFrame
    grid: Grid
    missing: list[AttackJob]
    experiment: str


def read_results(directory: Path) -> Results:
    """Read `results.parquet` and `results.json` from an experiment's results folder.

    Raises UserError where one of them is absent, damaged, or not made together with the other.
    """
    path = directory / "results.parquet"
    record = read_json(directory / "results.json")
    rows = _read_table(path, _REQUIRED)
    try:
        grid: Grid = record["grid"]
        missing = [
            AttackJob(gap["model"], gap["seed"], gap["attack"], gap["epsilon"])
            for gap in record["missing"]
        ]
        experiment = str(record["experiment"])
        planned = set(attack_jobs(dict(grid)))
    except (KeyError, TypeError) as error:
        place = directory / "results.json"
        raise UserError(f"{place} is not a record of results; delete it and run again") from error
    unequal = (planned - set(missing)) ^ _finished_jobs(rows)
    if unequal:
        raise UserError(
            f"{path} and results.json beside it disagree about {min(unequal)}; "
            "delete both and run again"
        )
    return Results(rows, grid, missing, experiment)


def read_corrections(directory: Path) -> pd.DataFrame:
    """Read `corrections.parquet`, the checks' honest rows, from an experiment's results folder.

    They are like the attacks' rows; `corrects` names the attack whose own rows were too kind, in
    whose ball of `epsilon_text` each success lies. Often there are none. Raises UserError where
    the file is absent or damaged.
    """
    return _read_table(directory / "corrections.parquet", _CORRECTED)


def _read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        rows = pd.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run the collect stage first") from None
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is damaged: {reason}; delete it and run again") from error
    absent = [column for column in columns if column not in rows.columns]
    if absent:
        raise UserError(f"{path} has no column {', '.join(absent)}; delete it and run again")
    return rows


def summarise(rows: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Accuracies of every model under every attack of `grid` with epsilons, with error bars.

    `rows` holds one row per test image of each job. Adversarial accuracy is the thesis's (§3.1),
    1 - (M + A) / N with M images misclassified clean, A images broken at this or a smaller
    epsilon of the same attack (column `broken`) and N test images; clean accuracy is 1 - M / N.
    What checks broke inside the ball counts as broken.

    One row per (model, attack, epsilon) in the grid's order; within an attack first the clean
    accuracy (epsilon_text "clean", epsilon 0), then the epsilons from the largest down, as in
    the thesis's Table 1. Columns:

    - model, kind, attack, norm, epsilon_text, epsilon;
    - images: N, one and the same test set for all jobs; seeds: how many seeds have a result;
      missing: how many planned seeds have none. All else is computed from the seeds that exist;
    - correct: tuple with the count of each seed, in the grid's order;
    - mean, std: mean and sample standard deviation of the accuracy over seeds, as fractions;
      NaN where there is no seed, std also where there is one;
    - uncorrected: the mean that the attack alone gives (column `broken_uncorrected`, if there is
      one), without what checks broke besides;
    - low, high: Wilson's 95 % interval for N images with the mean count correct. It covers the
      sampling of the test images and not that of seeds, which `std` shows: the seeds share one
      test set, so that pooling seeds x N images would make the interval too narrow;
    - both_low, both_high: the 95 % interval over images and seeds together (see `crossed`); NaN
      where no model has two seeds.

    Raises UserError where there are no rows, where two jobs were not given the same images, or
    where the clean predictions of one (model, seed) differ between two jobs.
    """
    check_agreement(rows)
    images = int(rows["image"].nunique())
    verdicts = per_image(rows)
    alone = per_image(rows.assign(broken=rows.get("broken_uncorrected", rows["broken"])))
    spreads = seed_spreads(verdicts, grid)
    lines: list[dict[str, Any]] = []
    for model in grid["models"]:
        for attack in filter(budgets, grid["attacks"]):
            descending = sorted(budgets(attack).items(), key=lambda epsilon: -epsilon[1])
            for text, value in [(CLEAN, 0.0), *descending]:
                job = None if text == CLEAN else (attack["name"], text)
                kept = list(verdicts.of(model["name"], model["seeds"], job).values())
                correct = tuple(int(image.sum()) for image in kept)
                uncorrected = alone.of(model["name"], model["seeds"], job).values()
                own = tuple(int(image.sum()) for image in uncorrected)
                lines.append(
                    {
                        "model": model["name"],
                        "kind": model["kind"],
                        "attack": attack["name"],
                        "norm": attack["norm"],
                        "epsilon_text": text,
                        "epsilon": value,
                        "images": images,
                        "seeds": len(correct),
                        "missing": len(model["seeds"]) - len(correct),
                        "correct": correct,
                        **_error_bars(correct, images),
                        **_over_both(kept, spreads[job]),
                        "uncorrected": _error_bars(own, images)["mean"],
                    }
                )
    return pd.DataFrame(lines)


def seed_spreads(verdicts: Verdicts, grid: Grid) -> dict[tuple[str, str] | None, SeedSpread]:
    """How seeds vary, by (attack, epsilon's text), or None for clean images."""
    jobs = [(attack["name"], text) for attack in grid["attacks"] for text in budgets(attack)]
    found: dict[tuple[str, str] | None, SeedSpread] = {}
    for job in (None, *jobs):
        models = (verdicts.of(model["name"], model["seeds"], job) for model in grid["models"])
        found[job] = seed_spread(np.array(list(kept.values()), float) for kept in models if kept)
    return found


def check_agreement(rows: pd.DataFrame) -> None:
    """Raise UserError, naming two jobs, unless the jobs can stand in one table.

    There must be rows. All jobs must hold the same images, each once and with the same label;
    all jobs of one (model, seed) must hold the same clean predictions, unless its column
    `deterministic` says that the model was seen to draw at random.
    """
    if rows.empty:
        raise UserError("results.parquet has no rows: every job is missing; see the jobs' logs")
    test_set: tuple[AttackJob, pd.DataFrame] | None = None
    first_of_seed: dict[tuple[str, int], tuple[AttackJob, pd.DataFrame]] = {}
    # Rows that tell nothing of determinism are of no model that drew at random.
    held = rows[_COLUMNS].assign(deterministic=rows.get("deterministic", True))
    for key, group in held.groupby(_JOB, sort=False):
        job, frame = AttackJob._make(key), group.sort_values("image", ignore_index=True)
        if frame["image"].duplicated().any():
            raise UserError(f"{job}: an image occurs twice; delete this job's rows and run again")
        reference, expected = test_set = test_set or (job, frame)
        if not frame[["image", "label"]].equals(expected[["image", "label"]]):
            raise UserError(
                f"{reference} and {job} were not run on the same test images and labels; "
                "run both again on one test set"
            )
        reference, expected = first_of_seed.setdefault((job.model, job.seed), (job, frame))
        differs = (frame["clean_prediction"] != expected["clean_prediction"]).to_numpy()
        if differs.any() and frame["deterministic"].all():
            raise UserError(
                f"{reference} and {job} disagree about the clean prediction of "
                f"{differs.sum()} images (first: {frame['image'][differs.argmax()]}); "
                "they saw different weights or software: run both again"
            )


def _finished_jobs(rows: pd.DataFrame) -> set[AttackJob]:
    return {
        AttackJob._make(key)
        for key in rows[_JOB].drop_duplicates().itertuples(index=False, name=None)
    }


def _error_bars(correct: tuple[int, ...], images: int) -> dict[str, float]:
    if not correct:
        return {"mean": nan, "std": nan, "low": nan, "high": nan}
    mean, deviation = mean_and_deviation([count / images for count in correct])
    low, high = wilson_interval(sum(correct) / len(correct), images)
    return {"mean": mean, "std": deviation, "low": low, "high": high}


def _over_both(kept: list[Booleans], spread: SeedSpread) -> dict[str, float]:
    if not kept or not spread.freedom:
        return {"both_low": nan, "both_high": nan}
    low, high = estimate_share(np.array(kept, dtype=np.float64), spread).interval()
    # A share of images is none below 0 or above 1.
    return {"both_low": max(0.0, low), "both_high": min(1.0, high)}
