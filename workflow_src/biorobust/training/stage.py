"""The train stage: one model from one seed, by its last epoch's weights.

In: the training shards. Out: `weights.safetensors`, `history.csv` (a line an epoch),
`diagnostics.npz` (what the model wants remembered, by epoch), TensorBoard logs, `training.json`.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from biorobust.data.shards import open_shards
from biorobust.devices import prepare_torch
from biorobust.errors import UserError
from biorobust.files import sha256_of_file, write_bytes, write_text
from biorobust.jobs import Inputs, Job, Result
from biorobust.models.base import ImageClassifier
from biorobust.training.fitting import device_count, fit, new_model
from biorobust.training.module import TrainingModule
from biorobust.training.resuming import ResumeFolder

_HISTORY = ("epoch", "learning_rate", "loss", "extra_loss", "accuracy")


def run(job: Job, inputs: Inputs) -> Result:
    """Train, or take over weights that were trained elsewhere.

    Config: model (kind and options), image_size, training, seed. Raises UserError where given
    weights do not fit the model, or the wanted device is not there, and Unfinished where training
    had to stop before its end, saved.
    """
    config = job.plan["config"]
    shards = open_shards(job.inputs["shards"].parent)
    device = prepare_torch(job.execution)
    facts: dict[str, Any] = {
        "classes": len(shards.classes),
        "class_names": shards.classes,
        "image_size": shards.image_size,
    }
    module: TrainingModule | None = None
    measured: dict[str, Any] = {"device": device.type}
    if "weights_sha256" in config:
        model = new_model(job, shards)
        _take_over(model, Path(job.execution["weights"]), config["weights_sha256"])
    else:
        module, fitted = fit(job, device, device_count(job.execution, device))
        model = module.model
        measured |= fitted
    facts["parameters"] = model.parameter_counts()
    del inputs
    outputs = _write(job.folder, model, module)
    return Result({"training": outputs}, {"training": facts}, measured)


def tidy(job: Job) -> None:
    """Remove the job's checkpoints, once its record stands."""
    ResumeFolder(job.folder, job.origin).clear()


def _take_over(model: ImageClassifier, path: Path, expected: str) -> None:
    if not path.is_file() or sha256_of_file(path) != expected:
        raise UserError(f"{path} changed after this job was planned; start snakemake again")
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{path} is no intact safetensors file; give one that holds a model's state dict"
        ) from error
    if differences := _differences(weights, model.state_dict()):
        raise UserError(
            f"{path} does not fit the model that names it: {differences}; weights must come from "
            "a model of the same kind and options, for as many classes and the same image size"
        )
    model.load_state_dict(weights)


def _differences(given: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> str:
    """How tensors differ from those wanted in names and shapes, in a few words; "" if they fit."""
    found = {
        "missing": [name for name in wanted if name not in given],
        "unexpected": [name for name in given if name not in wanted],
        "wrongly shaped": [
            f"{name} {list(given[name].shape)} for {list(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in given and given[name].shape != tensor.shape
        ],
    }
    return "; ".join(f"{what} {_first_few(names)}" for what, names in found.items() if names)


def _first_few(names: Sequence[str], few: int = 2) -> str:
    more = f" and {len(names) - few} more" if len(names) > few else ""
    return ", ".join(names[:few]) + more


def _write(folder: Path, model: ImageClassifier, module: TrainingModule | None) -> dict[str, str]:
    # Copies, since safetensors refuses two names of one tensor, which a user's model may have.
    weights = {name: value.cpu().contiguous().clone() for name, value in model.state_dict().items()}
    history = module.history if module else []
    lines = [",".join(_HISTORY)] + [",".join(repr(row[key]) for key in _HISTORY) for row in history]
    arrays = {
        name: torch.stack(values).numpy()
        for name, values in (module.diagnostics if module else {}).items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return {
        "weights.safetensors": write_bytes(folder / "weights.safetensors", save(weights)),
        "history.csv": write_text(folder / "history.csv", "\n".join(lines) + "\n"),
        "diagnostics.npz": write_bytes(folder / "diagnostics.npz", buffer.getvalue()),
    }
