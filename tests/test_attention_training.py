"""Models that choose their views, through the train stage: what they learn and leave behind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import biorobust
from biorobust.data.batches import to_pixels
from biorobust.data.shards import open_shards
from tiny_jobs import PLAIN, TinyExperiment, make_experiment, succeed

SLIM = {**PLAIN, "localiser_width": 2}
KINDS = {
    "transformers": {**SLIM, "kind": "parallel_transformers"},
    "affine-shared": {
        **SLIM,
        "kind": "parallel_transformers",
        "transform": "affine",
        "shared_weights": True,
    },
    "gazes": {**SLIM, "kind": "multi_gaze", "combination": "concatenated_logits"},
    "gazes-shared": {
        **SLIM,
        "kind": "multi_gaze",
        "shared_weights": True,
        "combination": "averaged_logits",
        "branches": 2,
        "gaze_regularisation": 0,
    },
}


def trained(folder: Path, model: dict[str, Any]) -> TinyExperiment:
    experiment = make_experiment(folder, models=[model], training={"epochs": 2, "batch_size": 8})
    succeed(experiment.train())
    return experiment


@pytest.mark.parametrize("model", KINDS.values(), ids=KINDS)
def test_a_few_steps_move_every_part_and_are_remembered(
    tmp_path: Path, model: dict[str, Any]
) -> None:
    experiment = trained(tmp_path, model)
    weights = load_file(experiment.seed_folder / "weights.safetensors")
    options = {name: value for name, value in model.items() if name not in ("name", "kind")}
    torch.manual_seed(0)
    fresh = biorobust.build_model(model["kind"], image_size=32, classes=2, **options).state_dict()
    assert weights.keys() == fresh.keys()
    learnt = [name for name in fresh if name.endswith(("weight", "bias"))]
    assert not any(torch.equal(weights[name], fresh[name]) for name in learnt)

    name = "gazes" if model["kind"] == "multi_gaze" else "transforms"
    branches = model.get("branches", 5)
    shape = (branches, 2) if name == "gazes" else (branches, 2, 3)
    with np.load(experiment.seed_folder / "diagnostics.npz") as remembered:
        assert set(remembered) == {name, f"{name}/squared"}
        means, squares = remembered[name], remembered[f"{name}/squared"]
    assert means.shape == squares.shape == (2, *shape)
    assert (squares >= means**2 - 1e-6).all()
    # Two steps in, means are near the first values; an epoch later they have moved on.
    first = 16 * np.tanh(0.5) if name == "gazes" else np.tanh(1)
    assert abs(means[0].flat[0]) == pytest.approx(first, rel=0.05)
    assert not np.array_equal(means[0], means[1])


def test_a_trained_model_tells_what_it_chooses(tmp_path: Path) -> None:
    experiment = trained(tmp_path, KINDS["gazes"])
    model = biorobust.load_model(experiment.seed_folder)
    shards = open_shards(experiment.folder / "shards/test")
    images = to_pixels(torch.from_numpy(shards.read(np.arange(len(shards)))))
    gazes = model.gazes(images)
    assert gazes.shape == (len(shards), 5, 2)
    assert gazes.abs().max() < 16
    assert model.views(images).shape == (5, len(shards), 3, 32, 32)
