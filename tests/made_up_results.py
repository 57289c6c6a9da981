"""An experiment's folder as if its attack jobs had run, with made-up rows."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest

from biorobust.analysis.collect import gather
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.errors import UserError
from biorobust.files import read_json, sha256_of_file, write_json, write_text
from biorobust.places import (
    AttackJob,
    CheckJob,
    Outline,
    attack_jobs,
    attack_record,
    check_jobs,
    check_record,
    training_jobs,
    training_record,
)
from biorobust.planning import (
    attack_plan,
    check_inputs,
    check_plan,
    collect_plan,
    report_plan,
    shard_plan,
    train_plan,
)
from biorobust.provenance import make_record, run_report
from tiny_jobs import arguments, tiny_config

COLUMNS = (
    *("image", "label", "clean_prediction", "adversarial_prediction", "success", "steps"),
    *("loss", "linf", "l2", "rms"),
)
# Written out of order; ascending they are 0.01, 8/255, 0.1.
EPSILONS = ["0.1", "0.01", "8/255"]
ASCENDING = ["0.01", "8/255", "0.1"]
MODELS = [
    {"name": "zebra", "kind": "standard", "width": 2},
    {"name": "ant", "kind": "retinal_fixations", "width": 2},
]
ATTACKS = [
    {"name": "pgd", "kind": "pgd", "epsilons": EPSILONS},
    {"name": "blunt", "kind": "pgd", "norm": "rms", "epsilons": ["0.1"]},
]
IDS = ["with,comma", 'with "quotes"', "007", "NA", " spaced "]
SNAKEMAKE = "snakemake --cores 1"


@dataclass(frozen=True)
class Project:
    """An experiment's folder, as if its attack jobs had run."""

    folder: Path
    outline: Outline

    def record(self, job: AttackJob) -> Path:
        """Where a job's record stands."""
        return self.folder / attack_record(job)

    def gather(self, *, partial: bool = False) -> pd.DataFrame:
        """Every row that belongs."""
        return gather(self.folder, self.outline, SNAKEMAKE, partial=partial).rows

    def refusal(self) -> list[str]:
        """The lines with which collecting ends."""
        with pytest.raises(UserError) as caught:
            self.gather()
        return str(caught.value).splitlines()


def make_plan(**changes: Any) -> Outline:
    """The outline of two models, two seeds and two attacks, with sections of the config changed."""
    config = tiny_config(seeds=[5, 2], models=MODELS, attacks=ATTACKS) | changes
    with TemporaryDirectory() as folder:
        return make_outline(Experiment.model_validate(config), cache=Path(folder, "hashes.json"))


def made_up_rows(job: AttackJob, ids: Sequence[str] = IDS) -> Iterator[list[str]]:
    """A row an image; numbers that take 17 digits, and a verdict of no particular order."""
    for number, name in enumerate(ids):
        success = hash_of(job, number) % 3 == 0
        numbers = [hash_of(job, number, place) / 3e10 for place in range(4)]
        yield [
            *(name, str(number % 2), str(number % 2), str((number + success) % 2)),
            *(str(int(success)), "20"),
            *map(repr, numbers),
        ]


def hash_of(job: AttackJob, *parts: int) -> int:
    text = repr((tuple(job), parts)).encode()
    return sum(byte * 31**place for place, byte in enumerate(text)) % 10**9


def write_attack(
    project: Project, job: AttackJob, *, ids: Sequence[str] = IDS, **versions: str
) -> None:
    """The rows, record and run report of one attack job; `versions` are those of packages."""
    path = project.record(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = path.with_suffix(".csv")
    with rows.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(made_up_rows(job, ids))
    sources = {
        "training": project.folder / training_record(job.model, job.seed),
        "shards": project.folder / "shards/test/manifest.json",
    }
    sums = {name: sha256_of_file(source) for name, source in sources.items()}
    outputs = {rows.name: sha256_of_file(rows)}
    record = make_record(attack_plan(project.outline, job), sums, outputs, {})
    write_json(path, record)
    write_json(path.with_name(f"{path.stem}.run.json"), {"versions": versions, "record": record})


FINDING = {
    "check": "monotone",
    "figure": 0.0,
    "threshold": "images lost",
    "verdict": "pass",
    "images": [],
    "sentence": "None.",
    "attack": "",
    "forward_passes": 2,
    "backward_passes": 1,
    "honest_forward_passes": 0,
    "honest_backward_passes": 0,
}


def write_checks(
    project: Project, job: CheckJob, *, corrections: Sequence[Sequence[str]] = (), **changes: Any
) -> None:
    """The findings, corrections and record of one job of checks.

    `corrections` are (attack, corrects, epsilon, image, success); the other columns are made up.
    """
    path = project.folder / check_record(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = path.with_name(f"{job.group}.findings.json")
    honest = path.with_name(f"{job.group}.corrections.csv")
    write_json(told, [{**FINDING, **changes}])
    with honest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["attack", "corrects", "epsilon_text", "image", "success", "linf"])
        writer.writerows([*row, "0.25"] for row in corrections)
    sums = {
        name: sha256_of_file(project.folder / source)
        for name, source, _ in check_inputs(project.outline, job)
    }
    outputs = {file.name: sha256_of_file(file) for file in (told, honest)}
    write_json(path, make_record(check_plan(project.outline, job), sums, outputs, {}))


def check_all(project: Project) -> None:
    """Every check passes on the rows as they are."""
    for job in check_jobs(project.outline):
        write_checks(project, job)


def make_project(folder: Path, **changes: Any) -> Project:
    """A project whose every attack job has run; `changes` as in `make_plan`."""
    outline = make_plan(**changes)
    project = Project(folder / "tiny", outline)
    sums = {}
    for split in ("train", "test"):
        manifest = project.folder / f"shards/{split}/manifest.json"
        facts = {"split": split, "classes": ["a", "b"]}
        sums[split] = write_json(manifest, make_record(shard_plan(outline), {}, {}, facts))
    for model, seed in training_jobs(outline):
        plan = train_plan(outline, model, seed)
        path = project.folder / training_record(model, seed)
        weights = {"weights.safetensors": write_text(path.with_name("weights.safetensors"), model)}
        record = make_record(plan, {"shards": sums["train"]}, weights, {})
        write_json(path, record)
        versions = {"torch": "2.9", "python": "3.11.4"}
        write_json(path.with_name("training.run.json"), {"versions": versions, "record": record})
    for job in attack_jobs(outline):
        write_attack(project, job, torch="2.9", python="3.11.4")
    check_all(project)
    return project


def rewrite(record: Path, *, report: bool = False, **changes: Any) -> None:
    """Change a record by hand, and the copy in its run report where asked."""
    changed = read_json(record) | changes
    write_json(record, changed)
    if report:
        write_json(run_report(record), read_json(run_report(record)) | {"record": changed})


def collect_command(project: Project) -> list[str]:
    """The arguments that collect every row of a project."""
    record = project.folder / "results.json"
    return arguments("collect", collect_plan(project.outline), {}, {"results": record})


def table_command(project: Project) -> list[str]:
    """The arguments that make the table of robustness of a project's collected rows."""
    plan = report_plan(project.outline, "tables", "robustness")
    record = project.folder / "tables/robustness.json"
    results = {"results": project.folder / "results.json"}
    return arguments("tables", plan, results, {"tables": record})
