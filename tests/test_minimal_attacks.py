"""Attacks that search for the smallest perturbation, from the plan to the report."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import biorobust
from biorobust.analysis.accuracy_curve import draw_accuracy_curve
from biorobust.analysis.collect import facts_of, gather, write_rows
from biorobust.analysis.robustness_table import write_robustness
from biorobust.analysis.tables import write_tables
from biorobust.attacks import build_attack
from biorobust.data.batches import to_pixels
from biorobust.data.shards import open_shards
from biorobust.files import write_json
from biorobust.places import AttackJob, attack_record
from catalogue_attacks import attacked
from made_up_results import IDS, SNAKEMAKE, Project, make_project
from pipeline import copy_project, edit, planned
from tiny_jobs import TinyExperiment, make_experiment, succeed

FOOL = {"name": "fool", "kind": "deepfool", "norm": "linf"}
PGD = {"name": "pgd", "kind": "pgd", "epsilons": ["0.1"]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    experiment = make_experiment(
        tmp_path_factory.mktemp("minimal"),
        ids=[f"test/{number}" for number in range(40)],
        train_images=32,
        training={"epochs": 2, "batch_size": 8, "learning_rate": 1e-2},
        attacks=[
            FOOL,
            {"name": "corners", "kind": "square", "queries": 60, "epsilons": ["0.3"]},
        ],
    )
    succeed(experiment.train())
    return experiment


def test_a_minimal_job_writes_a_row_an_image(trained: TinyExperiment) -> None:
    succeed(trained.attack("minimal", "fool"))
    folder = trained.seed_folder / "attacks/fool"
    record = json.loads((folder / "minimal.json").read_text())
    assert record["config"]["epsilon"] is None
    assert record["attack_implementation"] == "biorobust.attacks.deepfool:DeepFool"
    with (folder / "minimal.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    shards = open_shards(trained.folder / "shards/test")
    images = to_pixels(torch.from_numpy(shards.read(np.arange(40))))
    labels = torch.from_numpy(shards.labels)
    model = biorobust.load_model(trained.seed_folder)
    found = attacked(build_attack("deepfool", norm="linf"), model, images, labels)
    assert [row["success"] for row in rows] == [str(int(v)) for v in found.broken]
    sizes = (found.iterates.double() - images.double()).flatten(1).abs().amax(1)
    # The job runs the model in another memory order.
    assert [float(row["linf"]) for row in rows] == pytest.approx(sizes.tolist(), rel=1e-3)
    assert found.broken.any()


@pytest.mark.parametrize(("attack", "epsilon"), [("fool", "minimal"), ("corners", "0.3")])
def test_rows_do_not_depend_on_the_batch(
    trained: TinyExperiment, attack: str, epsilon: str
) -> None:
    found = set()
    for batch_size in (3, 50):
        succeed(trained.attack(epsilon, attack, attack_batch_size=batch_size))
        rows = trained.folder / attack_record(AttackJob("plain", 0, attack, epsilon))
        found.add(rows.with_suffix(".csv").read_bytes())
    assert len(found) == 1


def collected(project: Project, folder: Path) -> pd.DataFrame:
    """What collecting hands on, written to a folder for tables and figures."""
    result = gather(project.folder, project.outline, SNAKEMAKE)
    sums = write_rows(folder, result)
    write_json(folder / "results.json", {**facts_of(project.outline, result), "outputs": sums})
    return result.rows


def test_tables_and_figures_leave_them_out(tmp_path: Path) -> None:
    project = make_project(tmp_path, attacks=[FOOL, PGD])
    rows = collected(project, tmp_path / "report")
    fool = rows[rows["attack"] == "fool"]
    assert len(fool) == 4 * len(IDS)
    assert set(fool["attack_kind"]) == {"deepfool"}
    assert set(fool["norm"]) == {"linf"}
    assert set(fool["epsilon_text"]) == {"minimal"}
    assert fool["epsilon"].map(math.isnan).all()
    record = json.loads((tmp_path / "report/results.json").read_text())
    assert record["grid"]["attacks"] == [
        {
            "name": "fool",
            "kind": "deepfool",
            "norm": "linf",
            "epsilons": [{"text": "minimal", "value": None}],
        },
        {
            "name": "pgd",
            "kind": "pgd",
            "norm": "linf",
            "epsilons": [{"text": "0.1", "value": 0.1}],
        },
    ]
    paths = write_tables(tmp_path / "report", tmp_path / "tables")
    assert {path.stem for path in paths} == {"pgd"}
    drawn = draw_accuracy_curve(tmp_path / "report", tmp_path / "figures")
    assert all(path.stat().st_size for path in drawn)


def test_without_any_budget_there_is_the_robustness_table(tmp_path: Path) -> None:
    project = make_project(tmp_path, attacks=[FOOL])
    collected(project, tmp_path / "report")
    assert write_tables(tmp_path / "report", tmp_path / "tables") == []
    robustness = write_robustness(tmp_path / "report", tmp_path / "tables")
    assert any("fool" in path.read_text() for path in robustness)
    for path in draw_accuracy_curve(tmp_path / "report", tmp_path / "figures"):
        assert path.stat().st_size


def test_snakemake_plans_one_job_for_a_minimal_attack(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    entry = "  - {name: fool, kind: deepfool}\n"
    edit(project, "config.yaml", "attacks:\n", f"attacks:\n{entry}")
    jobs = planned(project)
    assert {job for job in jobs if job.startswith("attack plain")} == {
        "attack plain 0 pgd 0.01",
        "attack plain 0 pgd 8_255",
        "attack plain 0 fool minimal",
    }
    # Alone it is enough for a whole report.
    edit(
        project,
        "config.yaml",
        "  - {name: pgd, kind: pgd, steps: 2, epsilons: [0.01, 8/255]}\n",
        "",
    )
    jobs = planned(project)
    assert {job for job in jobs if job.startswith("attack plain")} == {
        "attack plain 0 fool minimal"
    }
    assert {"collect", "table_robustness", "figure_survival"} <= jobs
