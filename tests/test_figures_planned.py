"""Which figures an experiment has, what each is drawn from, and what makes it stale."""

from pathlib import Path
from typing import Any

import pytest

from biorobust import planning
from biorobust.code_digest import reachable_modules
from biorobust.config import outline as outlining
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.places import Outline
from biorobust.planning import plan_digest, report_inputs, report_plan
from biorobust.stages import FIGURES, stage_modules
from pipeline import copy_project, planned
from tiny_jobs import tiny_config

KINDS = [
    {"name": "cnn", "kind": "standard", "width": 2},
    {"name": "coarse", "kind": "coarse_fixations", "width": 2},
    {"name": "retina", "kind": "retinal_fixations", "width": 2},
    {"name": "cortex", "kind": "cortical_fixations", "width": 2},
    {"name": "boxes", "kind": "parallel_transformers", "width": 2, "localiser_width": 2},
    {"name": "gazes", "kind": "multi_gaze", "width": 2, "localiser_width": 2},
]
OF_RESULTS = {"accuracy_curve", "accuracy_bars", "survival"}
ALWAYS = OF_RESULTS | {"dataset_samples", "adversarial_example"}


def outline_of(folder: Path, **sections: Any) -> Outline:
    config = tiny_config(**{"seeds": [4, 1], "models": KINDS, **sections})
    return make_outline(Experiment.model_validate(config), cache=folder / "hashes.json")


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("cnn", set()),
        ("coarse", set()),
        ("retina", {"retinal_sampling"}),
        ("cortex", {"cortical_scales"}),
        ("boxes", {"transformer_boxes", "gaze_trajectories"}),
        ("gazes", {"retinal_sampling", "gaze_view", "gazes", "gaze_trajectories"}),
    ],
)
def test_a_kind_brings_its_own_figures(tmp_path: Path, name: str, figures: set[str]) -> None:
    models = [model for model in KINDS if model["name"] == name]
    assert set(outline_of(tmp_path, models=models)["figures"]) == ALWAYS | figures


def test_figures_are_drawn_from_results_shards_or_trainings(tmp_path: Path) -> None:
    outline = outline_of(tmp_path)
    records = {
        name: [str(record) for _, record, _ in report_inputs(outline, "figures", name)]
        for name in FIGURES
    }
    shards, results = "shards/test/manifest.json", ["results.json"]
    assert records == {
        "accuracy_curve": results,
        "accuracy_bars": results,
        "survival": results,
        "dataset_samples": [shards],
        "retinal_sampling": [shards],
        # One seed of each model that it runs, the first of the config.
        "cortical_scales": [shards, "models/cortex/seed-4/training.json"],
        "transformer_boxes": [shards, "models/boxes/seed-4/training.json"],
        "gaze_view": [shards, "models/gazes/seed-4/training.json"],
        "gazes": [shards, "models/gazes/seed-4/training.json"],
        "gaze_trajectories": [
            f"models/{model}/seed-{seed}/training.json"
            for model in ("boxes", "gazes")
            for seed in (4, 1)
        ],
        "adversarial_example": [
            shards,
            "models/cnn/seed-4/training.json",
            "models/coarse/seed-4/training.json",
        ],
    }


def test_weights_from_elsewhere_have_no_trajectory(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"weights")
    given = {**KINDS[-1], "weights": str(tmp_path / "weights")}
    assert "gaze_trajectories" not in outline_of(tmp_path, models=[given])["figures"]
    both = outline_of(tmp_path, models=[KINDS[-2], given])
    names = [name for name, _, _ in report_inputs(both, "figures", "gaze_trajectories")]
    assert names == ["training:boxes:4", "training:boxes:1"]


def test_the_example_is_of_the_first_attack_with_epsilons(tmp_path: Path) -> None:
    minimal = {"name": "cw", "kind": "carlini_wagner"}
    under_budget = {"name": "fgsm", "kind": "fgsm", "epsilons": ["0.1", "0.01"]}
    assert "adversarial_example" not in outline_of(tmp_path, attacks=[minimal])["figures"]
    outline = outline_of(tmp_path, attacks=[minimal, under_budget])
    plan = report_plan(outline, "figures", "adversarial_example")
    attack = plan["config"]["attack"]
    assert attack["name"] == "fgsm"
    assert [epsilon["text"] for epsilon in attack["epsilons"]] == ["0.01", "0.1"]
    assert "biorobust.attacks.iterative" in stage_modules(plan)
    assert "biorobust.models.coarse_fixations" in stage_modules(plan)


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"seeds": [4, 1, 2]}, OF_RESULTS | {"gaze_trajectories"}),
        ({"models": [*KINDS, {"name": "more", "kind": "standard"}]}, OF_RESULTS),
        (
            {"attacks": [{"name": "pgd", "kind": "pgd", "epsilons": ["0.01"], "steps": 6}]},
            OF_RESULTS | {"adversarial_example"},
        ),
        ({"training": {"epochs": 4}}, set(FIGURES) - {"dataset_samples", "retinal_sampling"}),
        ({"data": {"source": "digits", "image_size": 40}}, set(FIGURES)),
        ({"execution": {"threads": 2}}, set()),
    ],
)
def test_an_edit_of_the_config_makes_its_figures_stale(
    tmp_path: Path, change: dict[str, Any], stale: set[str]
) -> None:
    before, after = (
        {name: plan_digest(report_plan(outline, "figures", name)) for name in FIGURES}
        for outline in (outline_of(tmp_path), outline_of(tmp_path, **change))
    )
    assert {name for name in FIGURES if before[name] != after[name]} == stale


@pytest.mark.parametrize(
    ("module", "stale"),
    [
        ("biorobust.models.multi_gaze", {"gaze_view", "gazes"}),
        ("biorobust.models.parallel_transformers", {"transformer_boxes"}),
        ("biorobust.models.coarse_fixations", {"adversarial_example"}),
        ("biorobust.sampling.cortical", {"cortical_scales", "gaze_view", "gazes"}),
        ("biorobust.attacks.pgd", {"adversarial_example"}),
        ("biorobust.attacks.iterative", {"adversarial_example"}),
        ("biorobust.attacks.deepfool", set()),
        ("biorobust.analysis.gaze_view", {"gaze_view"}),
    ],
)
def test_the_code_of_a_figure_holds_the_models_that_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, stale: set[str]
) -> None:
    monkeypatch.setattr(
        outlining, "code_digest", lambda *entries: " ".join(reachable_modules(entries))
    )
    figures = outline_of(tmp_path)["figures"]
    assert {name for name in FIGURES if module in figures[name]["code"].split()} == stale


def test_inputs_of_figures_are_records_of_the_experiment(tmp_path: Path) -> None:
    outline = outline_of(tmp_path)
    plans = {str(path): plan for path, plan in planning.planned_records(outline)}
    for name in FIGURES:
        plan = plans[f"figures/{name}.json"]
        for source, record, _ in report_inputs(outline, "figures", name):
            assert plan["inputs"][source] == plan_digest(plans[str(record)])


def test_the_workflow_plans_a_job_a_figure(tmp_path: Path) -> None:
    models = "".join(f"  - {model}\n".replace("'", "") for model in KINDS)
    config = (
        "name: tiny\nseeds: [4, 1]\ndata: {source: digits, image_size: 32}\n"
        f"training: {{epochs: 1}}\nmodels:\n{models}"
        "attacks: [{name: pgd, kind: pgd, epsilons: [0.01]}]\n"
    )
    project = copy_project(tmp_path / "project", config)
    figures = {job for job in planned(project, "figures") if job.startswith("figure")}
    assert figures == {f"figure_{name}" for name in FIGURES}
    # A figure of models does not wait for attacks.
    boxes = "results/tiny/figures/transformer_boxes.json"
    expected = {"shard", "train boxes 4", "figure_transformer_boxes"}
    assert planned(project, boxes) == expected
