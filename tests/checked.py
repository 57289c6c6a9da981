"""A tiny trained experiment whose attack is too weak, attacked and checked."""

from pathlib import Path
from typing import Any

from tiny_jobs import TinyExperiment, make_experiment, succeed

# Steps so short that they cannot arrive, and one that can: the first number is too kind.
ATTACKS = [
    {"name": "weak", "kind": "pgd", "steps": 2, "relative_step": 1e-3, "epsilons": ["0.6"]},
    {"name": "fgsm", "kind": "fgsm", "epsilons": ["0.6"]},
]
SECTIONS: dict[str, Any] = {
    "training": {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2},
    "attacks": ATTACKS,
}


def checked(folder: Path) -> TinyExperiment:
    """An experiment in the folder whose checks of the groups `rows` and `cheap` have run."""
    experiment = make_experiment(folder, train_images=32, **SECTIONS)
    succeed(experiment.train())
    for attack in ("weak", "fgsm"):
        succeed(experiment.attack("0.6", attack))
    for group in ("rows", "cheap"):
        succeed(experiment.check(group))
    return experiment
