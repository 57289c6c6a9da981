"""Which jobs an experiment has, and where the record of each stands, below the experiment's folder.

In: an outline (see `biorobust.planning`), or of one the models, attacks and groups of checks, with
names, seeds and epsilons.
"""

from collections.abc import Iterator
from pathlib import PurePath, PurePosixPath
from typing import Any, NamedTuple, TypeVar

# Stands for the epsilon of an attack that searches for the smallest perturbation by itself.
MINIMAL = "minimal"

# The page that shows all of it: a stage, a kind of report and that report's name.
PAGE = "report"

Place = TypeVar("Place", bound=PurePath)
Outline = dict[str, Any]


class AttackJob(NamedTuple):
    """The names that tell one attack job from another.

    `epsilon` is the text of the config, or "minimal" where the attack has no epsilon.
    """

    model: str
    seed: int
    attack: str
    epsilon: str

    def __str__(self) -> str:
        """The job as messages name it."""
        where = "" if self.epsilon == MINIMAL else f" at epsilon {self.epsilon}"
        return f"{self.model} seed {self.seed}, {self.attack}{where}"


class CheckJob(NamedTuple):
    """The names that tell one job of checks from another; `group` is a group of checks."""

    model: str
    seed: int
    group: str


def attack_jobs(outline: Outline) -> Iterator[AttackJob]:
    """Every attack job of the experiment, in the order of the config, epsilons ascending."""
    for model, seed in training_jobs(outline):
        yield from _attacks_on(outline, model, seed)


def _attacks_on(outline: Outline, model: str, seed: int) -> Iterator[AttackJob]:
    for attack in outline["attacks"]:
        for epsilon in attack["epsilons"]:
            yield AttackJob(model, seed, attack["name"], epsilon["text"])


def check_jobs(outline: Outline) -> Iterator[CheckJob]:
    """Every job of checks of the experiment, in the order of the config."""
    for model, seed in training_jobs(outline):
        for group in outline["checks"]:
            yield CheckJob(model, seed, group["name"])


def training_jobs(outline: Outline) -> Iterator[tuple[str, int]]:
    """Every training job of the experiment as (model, seed), in the order of the config."""
    for model in outline["models"]:
        for seed in model["seeds"]:
            yield model["name"], seed


def named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The entry of this name in a list of models, attacks or groups.

    Raises StopIteration if there is none.
    """
    return next(entry for entry in entries if entry["name"] == name)


def job_records(grid: Outline) -> Iterator[tuple[str, PurePosixPath]]:
    """(stage, first record) of every job up to the collected rows, below the experiment's folder.

    `grid` is an outline, or of one the models, attacks and groups of checks, with names, seeds and
    epsilons.
    """
    yield "shard", PurePosixPath("shards", "train", "manifest.json")
    for model, seed in training_jobs(grid):
        yield "train", training_record(model, seed)
    for job in attack_jobs(grid):
        yield "attack", attack_record(job)
    for checks in check_jobs(grid):
        yield "check", check_record(checks)
    yield "collect", PurePosixPath("results.json")


def training_record(model: str, seed: int) -> PurePosixPath:
    """Where a training job's record stands, below the experiment's folder."""
    return PurePosixPath("models", model, f"seed-{seed}", "training.json")


def attack_record(job: AttackJob) -> PurePosixPath:
    """Where an attack job's record stands, below the experiment's folder."""
    folder = training_record(job.model, job.seed).parent / "attacks" / job.attack
    return folder / f"{ball_label(job.epsilon)}.json"


def check_record(job: CheckJob) -> PurePosixPath:
    """Where the record of a job of checks stands, below the experiment's folder."""
    return training_record(job.model, job.seed).parent / "checks" / f"{job.group}.json"


def report_record(kind: str, name: str) -> PurePosixPath:
    """Where the record of a table, figure, card or page stands, below the experiment's folder."""
    return PurePosixPath("" if kind == PAGE else kind, f"{name}.json")


def attack_part_record(record: Place, part: int, parts: int) -> Place:
    """Where a part's record stands, from where the attack job's does: the same kind of path."""
    return record.with_name(f"{record.stem}.parts") / f"{part}-of-{parts}.json"


def whole_attack_record(record: Place) -> Place:
    """Where an attack job's record stands, from its own place or that of one of its parts."""
    folder = record.parent
    if folder.suffix != ".parts":
        return record
    return folder.with_name(f"{folder.stem}.json")


def ball_label(epsilon: str) -> str:
    """An epsilon's text as a file's name: "8/255" becomes "eps-8_255", "minimal" stays."""
    return epsilon if epsilon == MINIMAL else f"eps-{epsilon.replace('/', '_')}"
