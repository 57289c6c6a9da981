"""Jobs of the smallest size, planned as the workflow plans them and started without it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biorobust import places, planning
from biorobust.__main__ import main
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.data.shards import Example, write_shards
from biorobust.files import write_json
from biorobust.places import (
    AttackJob,
    CheckJob,
    Outline,
    attack_record,
    check_record,
    training_record,
)
from biorobust.planning import Plan
from biorobust.provenance import make_record

ROOT = Path(__file__).parent.parent
CLASSES = ("dark", "bright")
# The statistics of normalisation settle within a few batches.
PLAIN = {
    "name": "plain",
    "kind": "standard",
    "width": 2,
    "stem_width": 2,
    "batch_norm_momentum": 0.3,
}
EXECUTION = {
    "device": "cpu",
    "threads": 1,
    "checkpoint_minutes": 10,
    "attack_batch_size": 5,
    "attack_shards": 1,
    "attack_precision": "float32",
    "attack_compiled": False,
    "attack_channels_last": True,
    "images_per_shard": 8,
    "data_path": None,
    "on_duplicates": "stop",
    "snakemake": "snakemake --cores 1",
}


def tiny_config(**sections: Any) -> dict[str, Any]:
    """A config with one narrow model and one attack; `sections` replace those of the same name."""
    return {
        "name": "tiny",
        "seeds": [0],
        "data": {"source": "digits", "image_size": 32},
        "training": {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2},
        "models": [PLAIN],
        "attacks": [{"name": "pgd", "kind": "pgd", "epsilons": ["0.01", "8/255"], "steps": 5}],
        **sections,
    }


@dataclass(frozen=True)
class TinyExperiment:
    """An experiment's folder with made-up shards; its jobs are started one by one."""

    folder: Path
    outline: Outline

    @property
    def seed_folder(self) -> Path:
        """Where the training of model "plain" from seed 0 puts its files."""
        return (self.folder / training_record("plain", 0)).parent

    def train(self, **execution: Any) -> list[str]:
        """The arguments of `python -m biorobust` that train model "plain" from seed 0."""
        return arguments(
            "train",
            planning.train_plan(self.outline, "plain", 0),
            {"shards": self.folder / "shards/train/manifest.json"},
            {"training": self.folder / training_record("plain", 0)},
            **execution,
        )

    @property
    def attack_inputs(self) -> dict[str, Path]:
        """The records that an attack job of model "plain" from seed 0 reads."""
        return {
            "training": self.folder / training_record("plain", 0),
            "shards": self.folder / "shards/test/manifest.json",
        }

    def attack_part(self, epsilon: str, part: int, parts: int, **execution: Any) -> list[str]:
        """The arguments that attack one part of the test images with attack "pgd"."""
        job = AttackJob("plain", 0, "pgd", epsilon)
        plan = planning.attack_part_plan(planning.attack_plan(self.outline, job), part, parts)
        record = places.attack_part_record(self.folder / attack_record(job), part, parts)
        return arguments(
            "attack", plan, self.attack_inputs, {"attack": record}, attack_shards=parts, **execution
        )

    def attack(self, epsilon: str, attack: str = "pgd", **execution: Any) -> list[str]:
        """The arguments that attack that model at an epsilon, or at "minimal"."""
        job = AttackJob("plain", 0, attack, epsilon)
        return arguments(
            "attack",
            planning.attack_plan(self.outline, job),
            self.attack_inputs,
            {"attack": self.folder / attack_record(job)},
            **execution,
        )

    def check(self, group: str, **execution: Any) -> list[str]:
        """The arguments that carry out a group of checks on model "plain" from seed 0."""
        job = CheckJob("plain", 0, group)
        inputs = planning.check_inputs(self.outline, job)
        return arguments(
            "check",
            planning.check_plan(self.outline, job),
            {name: self.folder / record for name, record, _ in inputs},
            {"check": self.folder / check_record(job)},
            **execution,
        )


def make_experiment(
    folder: Path, *, ids: Sequence[str] | None = None, train_images: int = 16, **sections: Any
) -> TinyExperiment:
    """Plan `tiny_config(**sections)` and write its shards; `ids` are those of the test images."""
    experiment = Experiment.model_validate(tiny_config(**sections))
    outline = make_outline(experiment, cache=folder / "source-hashes.json")
    write_split(folder / "shards/train", [f"train/{n}" for n in range(train_images)], outline)
    write_split(folder / "shards/test", ids or [f"test/{n}" for n in range(6)], outline, odd=3)
    return TinyExperiment(folder, outline)


def write_split(folder: Path, ids: Sequence[str], outline: Outline, odd: int = -1) -> None:
    """Noise images, dark ones of class 0 and bright ones of class 1 in turn.

    The one numbered `odd` looks like the other class.
    """
    random = np.random.default_rng(len(ids))
    examples = []
    for number, name in enumerate(ids):
        label = number % 2
        looks = 1 - label if number == odd else label
        noise = random.integers(0, 100, (32, 32, 3)) + 150 * looks
        examples.append(Example(name, label, CLASSES[label], noise.astype(np.uint8)))
    sums = write_shards(folder, examples, images_per_shard=5)
    facts = {"classes": list(CLASSES), "image_size": 32}
    write_json(folder / "manifest.json", make_record(planning.shard_plan(outline), {}, sums, facts))


def arguments(
    stage: str, plan: Plan, inputs: dict[str, Path], records: dict[str, Path], **execution: Any
) -> list[str]:
    """A stage's command line, as the rules write it."""
    return [
        stage,
        *("--plan", json.dumps(plan)),
        *("--execution", json.dumps(EXECUTION | execution)),
        *("--inputs", *(f"{name}={path}" for name, path in inputs.items())),
        *("--records", *(f"{name}={path}" for name, path in records.items())),
    ]


def succeed(command: Sequence[str]) -> None:
    """Carry out a command in this process."""
    assert main(command) == 0


def start(command: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "biorobust", *command],
        env=child_environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def child_environment() -> dict[str, str]:
    """This environment, with this code on Python's path."""
    return os.environ | {"PYTHONPATH": str(ROOT / "workflow_src")}


def flip_byte(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
