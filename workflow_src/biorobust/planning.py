"""What each job of an experiment is going to be, before anything runs.

In: an outline, the small JSON-ready summary of an experiment (config slices, code digests, the
data's fingerprint) that `biorobust.config.outline` makes. Out: a plan per job. A plan names the
job's code, config slice and inputs (each by the digest of its own plan), so that its digest
stands for everything that the job's result depends on. The workflow passes a job its plan as one
parameter; `collect` makes the same plans from the outline to tell fresh results from stale ones.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from biorobust.files import canonical_json, sha256_of_text
from biorobust.places import (
    PAGE,
    AttackJob,
    CheckJob,
    Outline,
    _attacks_on,
    attack_jobs,
    attack_record,
    check_jobs,
    check_record,
    named,
    report_record,
    training_jobs,
    training_record,
)

# Under this name the workflow hands its outline to the jobs that it starts.
OUTLINE_VARIABLE = "BIOROBUST_OUTLINE"


# The table that is made last, from every other table and figure and every card.
COSTS = "costs"


# Stages whose results are no one model's, and every model's numbers rest on.
_SHARED = ("shard", "collect")

Plan = dict[str, Any]


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
        plan["accepted"] = outline["accepted"]
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
        "accepted": [
            {**edit, "of": of}
            for edit in outline["accepted"]
            if (of := [[stage, m] for stage, m in edit["of"] if m == model or stage in _SHARED])
        ],
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


def attack_part_plan(plan: Plan, part: int, parts: int) -> Plan:
    """The plan of a job that attacks one of so many parts of the test set for an attack job."""
    return {**plan, "part": [part, parts]}
