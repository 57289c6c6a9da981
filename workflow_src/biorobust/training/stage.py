"""The train stage: one model from one seed, by its last epoch's weights.

In: the training shards. Out: `weights.safetensors`, `history.csv` (a line an epoch),
`diagnostics.npz` (what the model wants remembered, by epoch), TensorBoard logs, `training.json`.
"""

import io
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Checkpoint, TQDMProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.environments import LightningEnvironment
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from biorobust.data.batches import EpochBatches
from biorobust.data.shards import open_shards
from biorobust.devices import prepare_torch
from biorobust.errors import UserError
from biorobust.files import explained, sha256_of_file, write_bytes, write_text
from biorobust.jobs import Inputs, Job, Result
from biorobust.models.base import ImageClassifier
from biorobust.models.registry import build_model
from biorobust.progress import Progress
from biorobust.training.module import TrainingModule
from biorobust.training.resuming import ResumeFolder, SealedCheckpointIO

_HISTORY = ("epoch", "learning_rate", "loss", "extra_loss", "accuracy")


class _EpochLines(Checkpoint):
    """A plain line now and then, for logs that nobody watches on a terminal.

    A Checkpoint by name, since Lightning calls those alone after the module's own hook, which
    computes the epoch's loss.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._progress.begin(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        loss = pl_module.history[-1]["loss"]
        self._progress.update(trainer.current_epoch + 1, f"loss {loss:.4f}")


def run(job: Job, inputs: Inputs) -> Result:
    """Train, or take over weights that were trained elsewhere.

    Config: model (kind and options), image_size, training, seed. Raises UserError where given
    weights do not fit the model, or the wanted device is not there.
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
    torch.manual_seed(config["seed"])
    options = {key: value for key, value in config["model"].items() if key != "kind"}
    model = build_model(
        config["model"]["kind"],
        image_size=shards.image_size,
        classes=len(shards.classes),
        **options,
    )
    facts["parameters"] = model.parameter_counts()
    if "weights_sha256" in config:
        _take_over(model, Path(job.execution["weights"]), config["weights_sha256"])
    else:
        batches = EpochBatches(
            shards, seed=config["seed"], batch_size=config["training"]["batch_size"]
        )
        module = TrainingModule(model, batches, config["training"], config["seed"])
        measured |= _fit(job, module, device)
    del inputs
    outputs = _write(job.folder, model, module)
    return Result({"training": outputs}, {"training": facts}, measured)


def tidy(job: Job) -> None:
    """Remove the job's checkpoints, once its record stands."""
    ResumeFolder(job.folder, job.origin).clear()


def _fit(job: Job, module: TrainingModule, device: torch.device) -> dict[str, Any]:
    epochs = job.plan["config"]["training"]["epochs"]
    resume = ResumeFolder(job.folder, job.origin)
    on_terminal = sys.stderr.isatty()
    watcher = (
        TQDMProgressBar()
        if on_terminal
        else _EpochLines(Progress(f"{job.folder} epochs", epochs, job.say))
    )
    _quieten()
    trainer = lightning.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        max_epochs=epochs,
        plugins=[LightningEnvironment(), SealedCheckpointIO()],
        logger=TensorBoardLogger(job.folder, name="tensorboard", version=""),
        callbacks=[resume, watcher],
        enable_progress_bar=on_terminal,
        enable_checkpointing=True,
        enable_model_summary=False,
        default_root_dir=resume.folder,
        deterministic="warn",
        benchmark=False,
        use_distributed_sampler=False,
        log_every_n_steps=1_000_000,
    )
    module.train()
    # Lightning's own logs are written by a thread that does not say where the disk was full.
    with explained(job.folder / "tensorboard", "finished epochs are kept"):
        trainer.fit(module, module.batches, ckpt_path=resume.usable(job.say), weights_only=True)
    if len(module.history) != epochs:
        raise UserError(f"training stopped after {len(module.history)} of {epochs} epochs")
    # A resumed job measures only the time of its own epochs.
    measured = {"epochs_run": resume.epochs_run}
    if device.type == "cuda":
        measured["peak_gpu_memory_bytes"] = torch.cuda.max_memory_allocated(device)
    return measured


def _quieten() -> None:
    """Keep Lightning's advice and banners out of the log; warnings that matter are not its."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (".*LeafSpec.*", ".*logging interval.*", ".*does not have many workers.*"):
        warnings.filterwarnings("ignore", message=message)


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
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
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
