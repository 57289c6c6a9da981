"""What each job of an experiment is going to be, before anything runs.

In: an outline, the small JSON-ready summary of an experiment (config slices, code digests, the
data's fingerprint) that `biorobust.config.outline` makes. Out: a plan per job. A plan names the
job's code, config slice and inputs (each by the digest of its own plan), so that its digest
stands for everything that the job's result depends on. The workflow passes a job its plan as one
parameter; `collect` makes the same plans from the outline to tell fresh results from stale ones.
"""

from collections.abc import Iterator
from pathlib import PurePath, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from biorobust.files import canonical_json, sha256_of_text

# Under this name the workflow hands its outline to the jobs that it starts.
OUTLINE_VARIABLE = "BIOROBUST_OUTLINE"

# Stands for the epsilon of an attack that searches for the smallest perturbation by itself.
MINIMAL = "minimal"

# The table that is made last, from every other table and figure and every card.
COSTS = "costs"

# The page that shows all of it: a stage, a kind of report and that report's name.
PAGE = "report"

Place = TypeVar("Place", bound=PurePath)
Outline = dict[str, Any]
Plan = dict[str, Any]


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


def plan_digest(plan: Plan) -> str:
    """SHA-256 in hex that stands for everything in the plan, and through it for all its inputs."""
    return sha256_of_text(canonical_json(plan))


def shard_plan(outline: Outline) -> Plan:
    """The plan of the job that writes both splits of the data set."""
    shard = outline["shard"]
    return {
        "stage": "shard",
        "code": shard["code"],
        "config": shard["config"],
        "inputs": {"source": shard["source"]},
    }


def train_plan(outline: Outline, model: str, seed: int) -> Plan:
    """The plan of the job that trains one model from one seed."""
    entry = named(outline["models"], model)
    config = {**entry["train_config"], "seed": seed}
    if "weights_sha256" in config:
        config["weights_sha256"] = config["weights_sha256"][str(seed)]
    return {
        "stage": "train",
        "code": entry["train_code"],
        "config": config,
        "implementation": entry["implementation"],
        "inputs": {"shards": plan_digest(shard_plan(outline))},
    }


def attack_plan(outline: Outline, job: AttackJob) -> Plan:
    """The plan of the job that attacks one trained model, at one epsilon if the attack has any."""
    entry, attack = named(outline["models"], job.model), named(outline["attacks"], job.attack)
    epsilon = next(e["value"] for e in attack["epsilons"] if e["text"] == job.epsilon)
    return {
        "stage": "attack",
        "code": entry["attack_code"][attack["kind"]],
        "config": {**attack["config"], "epsilon": epsilon, "seed": job.seed},
        "implementation": entry["implementation"],
        "attack_implementation": attack["implementation"],
        "inputs": {
            "training": plan_digest(train_plan(outline, job.model, job.seed)),
            "shards": plan_digest(shard_plan(outline)),
        },
    }


def check_plan(outline: Outline, job: CheckJob) -> Plan:
    """The plan of the job that carries out a group of checks on one trained model."""
    entry, group = named(outline["models"], job.model), named(outline["checks"], job.group)
    plan = {
        "stage": "check",
        "code": entry["check_code"][job.group],
        "config": {
            "group": job.group,
            "seed": job.seed,
            "checks": group["checks"],
            "attacks": outline["attacks"],
        },
        "implementations": group["implementations"],
        "inputs": {name: plan_digest(plan) for name, _, plan in check_inputs(outline, job)},
    }
    return {**plan, "implementation": entry["implementation"]} if group["runs_model"] else plan


def check_inputs(outline: Outline, job: CheckJob) -> Iterator[tuple[str, PurePosixPath, Plan]]:
    """What a job of checks reads: names, records below the experiment's folder, plans.

    A name is "shards" (the test split), "training", "transfer_from" (the training of the plain
    model with the same seed) or "attack:<attack>:<epsilon>".
    """
    group = named(outline["checks"], job.group)
    yield "shards", PurePosixPath("shards", "test", "manifest.json"), shard_plan(outline)
    trainings = {"training": job.model}
    plain = group["transfer_from"]
    if plain not in (None, job.model) and job.seed in named(outline["models"], plain)["seeds"]:
        trainings["transfer_from"] = plain
    for name, model in trainings.items():
        yield name, training_record(model, job.seed), train_plan(outline, model, job.seed)
    for attack in _attacks_on(outline, job.model, job.seed):
        name = f"attack:{attack.attack}:{attack.epsilon}"
        yield name, attack_record(attack), attack_plan(outline, attack)


def collect_plan(outline: Outline) -> Plan:
    """The plan of the job that gathers every row; it carries what their own plans follow from."""
    rows = {key: outline[key] for key in ("experiment", "shard", "models", "attacks", "checks")}
    return {"stage": "collect", "code": outline["collect"]["code"], "outline": rows}


def report_plan(outline: Outline, kind: str, name: str) -> Plan:
    """The plan of a report, which is of a `kind`: "tables", "figures", "cards" or "report"."""
    plan = {
        "stage": kind,
        "name": name,
        "files": [name] if kind == "cards" else report_files(outline, name),
        **outline[kind][name],
        "inputs": {
            source: plan_digest(plan) for source, _, plan in report_inputs(outline, kind, name)
        },
    }
    if (kind, name) == ("tables", "published"):
        plan["config"] = outline["published"]
    if kind == "cards":
        plan["config"] = card_config(outline, name)
    if kind == PAGE:
        rows = ("experiment", "shard", "models", "attacks", "checks", "collect")
        plan["outline"] = {key: outline[key] for key in rows}
    return plan


def card_config(outline: Outline, model: str) -> dict[str, Any]:
    """What a model's card tells of the experiment beside its results."""
    entry, shard = named(outline["models"], model), outline["shard"]
    return {
        "experiment": outline["experiment"],
        "model": {
            key: entry[key] for key in ("name", "kind", "implementation", "seeds", "train_config")
        },
        "data": {"settings": shard["config"], "source": shard["source"]},
        "attacks": outline["attacks"],
        "checks": {group["name"]: group["checks"] for group in outline["checks"]},
        "code": {
            "shard": shard["code"],
            "train": entry["train_code"],
            "attack": entry["attack_code"],
            "check": entry["check_code"],
            "collect": outline["collect"]["code"],
        },
        "catalogue": outline["catalogue"],
    }


def report_inputs(
    outline: Outline, kind: str, name: str
) -> Iterator[tuple[str, PurePosixPath, Plan]]:
    """What a report is made from: names, records below the experiment's folder, plans.

    A name is "results", "shards" (the test split), "training:<model>:<seed>", or "tables:<name>",
    "figures:<name>" and "cards:<model>" for the table of costs and the page.
    """
    for source in outline[kind][name]["inputs"]:
        if source == "results":
            yield source, PurePosixPath("results.json"), collect_plan(outline)
        elif source == "shards":
            yield source, PurePosixPath("shards", "test", "manifest.json"), shard_plan(outline)
        elif source.startswith("training:"):
            _, model, seed = source.split(":")
            record, plan = (
                training_record(model, int(seed)),
                train_plan(outline, model, int(seed)),
            )
            yield source, record, plan
        else:
            made, _, which = source.partition(":")
            yield source, report_record(made, which), report_plan(outline, made, which)


def report_record(kind: str, name: str) -> PurePosixPath:
    """Where the record of a table, figure, card or page stands, below the experiment's folder."""
    return PurePosixPath("" if kind == PAGE else kind, f"{name}.json")


def report_files(outline: Outline, name: str) -> list[str]:
    """The names, without their endings, of the files of one table or figure."""
    if name != "adversarial_accuracy":
        return [name]
    # An attack that looks for the smallest perturbation itself has no epsilon to be judged at.
    return [
        attack["name"]
        for attack in outline["attacks"]
        if any(epsilon["value"] is not None for epsilon in attack["epsilons"])
    ]


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


def planned_records(outline: Outline) -> Iterator[tuple[PurePosixPath, Plan]]:
    """Every record of the experiment below its folder, with its plan, inputs before users."""
    for split in ("train", "test"):
        yield PurePosixPath("shards", split, "manifest.json"), shard_plan(outline)
    for model, seed in training_jobs(outline):
        yield training_record(model, seed), train_plan(outline, model, seed)
    for job in attack_jobs(outline):
        yield attack_record(job), attack_plan(outline, job)
    for checks in check_jobs(outline):
        yield check_record(checks), check_plan(outline, checks)
    yield PurePosixPath("results.json"), collect_plan(outline)
    reports = [(kind, name) for kind in ("tables", "figures", "cards") for name in outline[kind]]
    for kind, name in sorted(reports, key=lambda report: report == ("tables", COSTS)):
        yield report_record(kind, name), report_plan(outline, kind, name)
    yield report_record(PAGE, PAGE), report_plan(outline, PAGE, PAGE)


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


def attack_part_plan(plan: Plan, part: int, parts: int) -> Plan:
    """The plan of a job that attacks one of so many parts of the test set for an attack job."""
    return {**plan, "part": [part, parts]}


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
