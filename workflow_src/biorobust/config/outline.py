"""From an experiment to its outline: what every job's plan is made from (see `planning`)."""

from pathlib import Path
from typing import Any

from biorobust.code_digest import code_digest
from biorobust.config.experiment import Experiment
from biorobust.config.values import as_number
from biorobust.data.sources.catalogue import source_fingerprint
from biorobust.errors import UserError
from biorobust.files import sha256_of_file
from biorobust.models.kinds import MODELS
from biorobust.planning import Outline
from biorobust.stages import FIGURES, STAGES, TABLES


def make_outline(experiment: Experiment, cache: Path) -> Outline:
    """Everything that the experiment's results depend on, as JSON-ready values.

    `cache` is a file that remembers the hashes of the data source's files. Raises UserError where
    the data source or a given weights file is missing.
    """
    path = Path(experiment.data.path).expanduser() if experiment.data.path else None
    return {
        "experiment": experiment.name,
        "shard": {
            "code": code_digest(STAGES["shard"]),
            "config": experiment.data.model_dump(exclude={"path"}),
            "source": source_fingerprint(experiment.data.source, path=path, cache=cache),
        },
        "models": [_model(experiment, entry) for entry in experiment.models],
        "attacks": [_attack(entry) for entry in experiment.attacks],
        "collect": {"code": code_digest(STAGES["collect"])},
        "tables": {name: code_digest(module) for name, module in TABLES.items()},
        "figures": {name: code_digest(module) for name, module in FIGURES.items()},
    }


def _model(experiment: Experiment, entry: Any) -> dict[str, Any]:
    implementation = MODELS[entry.kind]
    module = implementation.split(":")[0]
    config: dict[str, Any] = {
        "model": entry.model_dump(exclude={"name", "weights"}),
        "image_size": experiment.data.image_size,
    }
    seeds = list(experiment.seeds)
    if entry.weights is None:
        config["training"] = experiment.training.model_dump(mode="json")
    else:
        if "{seed}" not in entry.weights:
            # The same weights under several seeds would pass for independent runs.
            seeds = seeds[:1]
        config["weights_sha256"] = {
            str(seed): _weights_sum(entry.name, weights_path(entry.weights, seed)) for seed in seeds
        }
    return {
        "name": entry.name,
        "kind": entry.kind,
        "implementation": implementation,
        "seeds": seeds,
        "train_config": config,
        "train_code": code_digest(STAGES["train"], module),
        "attack_code": code_digest(STAGES["attack"], module),
    }


def weights_path(template: str, seed: int) -> Path:
    """The weights file that a model entry names for a seed."""
    return Path(template.replace("{seed}", str(seed))).expanduser()


def _weights_sum(model: str, path: Path) -> str:
    if not path.is_file():
        raise UserError(f"models: {model!r} names weights {path}, and there is no such file")
    return sha256_of_file(path)


def _attack(entry: Any) -> dict[str, Any]:
    texts = sorted(entry.epsilons, key=as_number)
    return {
        "name": entry.name,
        "config": entry.model_dump(exclude={"name", "epsilons"}),
        "epsilons": [{"text": text, "value": as_number(text)} for text in texts],
    }
