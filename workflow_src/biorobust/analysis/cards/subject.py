"""The parts of a card that tell of the model and its images."""

import ast
import csv
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from biorobust.analysis.cards.measured import finite
from biorobust.analysis.cards.schema import DataPart, LastEpoch, ModelPart, Split, TrainedModel
from biorobust.analysis.data_table import warnings
from biorobust.data.shards import HYGIENE, MANIFEST
from biorobust.files import read_json, sha256_of_file
from biorobust.provenance import Record

Trainings = Mapping[int, tuple[Path, Record]]
"""By seed: where the training record stands, and the record."""


def model_part(config: Mapping[str, Any], trainings: Trainings) -> ModelPart:
    """The model that `config` (see `planning.card_config`) names."""
    model = config["model"]
    settings = model["train_config"]
    options = {key: value for key, value in settings["model"].items() if key != "kind"}
    description, source = described(model["implementation"])
    first = next(iter(trainings.values()))[1]
    return {
        "name": model["name"],
        "kind": model["kind"],
        "description": description,
        "source": source,
        "options": options,
        "parameters": {
            "network": first["parameters"]["network"],
            "training_only": first["parameters"]["training_only"],
        },
        "training": settings.get("training"),
        "seeds": [_trained(seed, *training) for seed, training in trainings.items()],
    }


def described(implementation: str) -> tuple[str | None, str | None]:
    """What a model's module says of itself in its first line, and behind "Source:".

    `implementation` is "module:class". The module is read, not imported, since that takes torch.
    """
    spec = find_spec(implementation.split(":")[0])
    if spec is None or spec.origin is None:
        return None, None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    first, _, rest = text.partition("\n")
    _, _, source = rest.partition("Source:")
    return first.strip() or None, " ".join(source.split()) or None


def data_part(config: Mapping[str, Any], manifest: Path) -> DataPart:
    """The images. `manifest` is the test split's; that of the training split stands beside it."""
    folder = manifest.parent
    report = read_json(folder / HYGIENE)
    record = read_json(manifest)
    settings, across = config["data"]["settings"], report["across"]
    return {
        "source": settings["source"],
        "source_fingerprint": config["data"]["source"],
        "settings": {key: value for key, value in settings.items() if key != "source"},
        "image_size": record["image_size"],
        "classes": record["classes"],
        "splits": {
            split: _split(folder.parent / split / MANIFEST, facts["images_per_class"])
            for split, facts in report["splits"].items()
        },
        "test_copies_of_training": across["exact"]["images"],
        "test_near_copies_of_training": across["near"]["images"],
        "warnings": warnings(report),
    }


def _split(manifest: Path, per_class: Mapping[str, int]) -> Split:
    return {
        "images": sum(per_class.values()),
        "smallest_class": min(per_class.values()),
        "largest_class": max(per_class.values()),
        "left_out": len(read_json(manifest)["skipped"]),
        "manifest_sha256": sha256_of_file(manifest),
    }


def _trained(seed: int, path: Path, record: Record) -> TrainedModel:
    with path.with_name("history.csv").open(newline="") as file:
        epochs = list(csv.DictReader(file))
    return {
        "seed": seed,
        "weights_sha256": record["outputs"]["weights.safetensors"],
        "last_epoch": _last_epoch(epochs[-1]) if epochs else None,
    }


def _last_epoch(line: Mapping[str, str]) -> LastEpoch:
    return {
        "epoch": int(line["epoch"]),
        "learning_rate": finite(float(line["learning_rate"])),
        "loss": finite(float(line["loss"])),
        "extra_loss": finite(float(line["extra_loss"])),
        "accuracy": finite(float(line["accuracy"])),
    }
