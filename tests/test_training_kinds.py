"""A few epochs of training for every kind of model, through the stage and with its own loss."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tiny_jobs import make_experiment, succeed

SLIM = {"width": 4, "stem_width": 4, "batch_norm_momentum": 0.3}
VARIANTS: list[dict[str, Any]] = [
    {"kind": "standard"},
    {"kind": "retinal_fixations"},
    {"kind": "coarse_fixations"},
    {"kind": "coarse_fixations", "view": "upsampled"},
    {"kind": "coarse_fixations", "view": "blurred"},
    {"kind": "coarse_fixations", "branches": 4},
    {"kind": "cortical_fixations"},
    {"kind": "cortical_fixations", "auxiliary": False},
    {"kind": "cortical_fixations", "auxiliary": False, "radii": [6]},
    {"kind": "cortical_fixations", "freeze_widest": True},
    {"kind": "parallel_transformers", "localiser_width": 2, "branches": 2},
    {"kind": "parallel_transformers", "localiser_width": 2, "shared_weights": True},
    {"kind": "multi_gaze", "localiser_width": 2, "gaze_regularisation": 0, "branches": 2},
    {"kind": "multi_gaze", "localiser_width": 2, "shared_weights": True},
    {"kind": "multi_gaze", "localiser_width": 2, "shared_weights": True, "views": "cortical"},
]


def test_no_kind_is_forgotten() -> None:
    from biorobust.models.kinds import MODELS

    assert {variant["kind"] for variant in VARIANTS} == set(MODELS)


@pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda variant: "-".join(map(str, variant.values()))
)
def test_training_tells_dark_from_bright(tmp_path: Path, variant: dict[str, Any]) -> None:
    experiment = make_experiment(
        tmp_path,
        models=[{"name": "plain", **SLIM, **variant}],
        training={"epochs": 10, "batch_size": 8, "learning_rate": 5e-3, "learning_rate_steps": []},
        train_images=16,
    )
    succeed(experiment.train())
    with (experiment.seed_folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows]
    assert losses[-1] < losses[0] / 2
    more = {
        "cortical_fixations": variant.get("auxiliary", True),
        "parallel_transformers": True,
        "multi_gaze": variant.get("gaze_regularisation", 0.01) > 0,
    }
    for row in rows:
        assert (float(row["extra_loss"]) > 0) == more.get(variant["kind"], False)
        assert float(row["extra_loss"]) <= float(row["loss"])
    assert float(rows[-1]["accuracy"]) > 0.9
    weights = load_file(experiment.seed_folder / "weights.safetensors")
    # Running means, variances and fixed tables are not trained.
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    trained = {
        name: value.numel()
        for name, value in weights.items()
        if not name.endswith(buffers) and "retina" not in name
    }
    besides = sum(size for name, size in trained.items() if name.startswith("auxiliary_heads"))
    recorded = json.loads((experiment.seed_folder / "training.json").read_text())["parameters"]
    assert recorded == {"network": sum(trained.values()) - besides, "training_only": besides}
