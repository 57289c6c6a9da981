"""What several tests of training have in common: a model, and what a training leaves."""

from typing import Any

from biorobust.files import read_json, sha256_of_file
from tiny_jobs import TinyExperiment

OUTPUTS = ("weights.safetensors", "history.csv", "diagnostics.npz", "training.json")

# It remembers gazes, and normalisation and Adam have state besides the weights.
GAZING: dict[str, Any] = {
    "name": "plain",
    "kind": "multi_gaze",
    "backbone": "resnet20",
    "localiser_backbone": "resnet20",
    "width": 2,
    "localiser_width": 2,
    "branches": 2,
    "batch_norm_momentum": 0.3,
}


def output_sums(experiment: TinyExperiment) -> dict[str, str]:
    """SHA-256 of each file that must not depend on how often a training was interrupted."""
    return {name: sha256_of_file(experiment.seed_folder / name) for name in OUTPUTS}


def epochs_run(experiment: TinyExperiment) -> float:
    """How many epochs the last start of the training did, parts of one included."""
    return float(read_json(experiment.seed_folder / "training.run.json")["epochs_run"])
