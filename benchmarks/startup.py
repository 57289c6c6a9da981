"""What an attack job costs before and after attacking, beside `import torch` alone.

    python benchmarks/startup.py

Trains a tiny model in a temporary folder and attacks ten images in one step, which takes no time
worth mention; so nearly all of the job is its fixed cost: start of Python, imports, checks of
code, inputs and weights, rows and records. Prints seconds and the ratio to
`python -c "import torch"`, the two run in turn.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from biorobust import planning
from biorobust.config.outline import make_outline
from biorobust.config.reading import read_experiment
from biorobust.places import AttackJob, attack_record, training_record

CONFIG: dict[str, Any] = {
    "name": "startup",
    "seeds": [0],
    "data": {"source": "digits", "image_size": 32, "train_limit": 50, "test_limit": 10},
    "training": {"epochs": 1},
    "models": [{"name": "standard", "kind": "standard", "width": 2, "stem_width": 2}],
    "attacks": [{"name": "pgd", "kind": "pgd", "epsilons": ["0.01"], "steps": 1}],
}
JOB = AttackJob("standard", 0, "pgd", "0.01")


def prepared(folder: Path) -> list[str]:
    """Shards and a trained model in `folder`; the command of the attack job."""
    experiment = read_experiment(CONFIG)
    outline = make_outline(experiment, cache=folder / "hashes.json")
    execution = {
        **experiment.execution.model_dump(),
        "data_path": None,
        "on_duplicates": experiment.data.on_duplicates,
        "snakemake": "snakemake",
        "device": "cpu",
    }
    manifests = {split: folder / "shards" / split / "manifest.json" for split in ("train", "test")}
    trained = folder / training_record("standard", 0)

    def command(
        stage: str, plan: planning.Plan, inputs: dict[str, Path], records: dict[str, Path]
    ) -> list[str]:
        return [
            *(sys.executable, "-m", "biorobust", stage),
            *("--plan", json.dumps(plan), "--execution", json.dumps(execution)),
            *("--inputs", *(f"{name}={path}" for name, path in inputs.items())),
            *("--records", *(f"{name}={path}" for name, path in records.items())),
        ]

    run(command("shard", planning.shard_plan(outline), {}, manifests))
    train_plan = planning.train_plan(outline, "standard", 0)
    run(command("train", train_plan, {"shards": manifests["train"]}, {"training": trained}))
    return command(
        "attack",
        planning.attack_plan(outline, JOB),
        {"training": trained, "shards": manifests["test"]},
        {"attack": folder / attack_record(JOB)},
    )


def run(command: list[str]) -> None:
    """Run a command quietly. Raises CalledProcessError where it fails."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def seconds(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    # The package must be found without an installation as well, in its parent's place.
    os.environ["PYTHONPATH"] = str(Path(planning.__file__).parent.parent)
    torch_alone = [sys.executable, "-c", "import torch"]
    jobs, imports = [], []
    with tempfile.TemporaryDirectory() as name:
        attack = prepared(Path(name))
        for _ in range(options.rounds):
            imports.append(seconds(lambda: run(torch_alone)))
            jobs.append(seconds(lambda: run(attack)))
    ratios = [job / alone for job, alone in zip(jobs, imports, strict=True)]
    print(f"import torch: {statistics.median(imports):.2f} s")
    print(f"attack job:   {statistics.median(jobs):.2f} s")
    print(
        f"ratio:        {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f}-{max(ratios):.2f}, {options.rounds} rounds)"
    )


if __name__ == "__main__":
    main()
