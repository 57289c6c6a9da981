"""Fitting a model to its shards on one device or several, to the end or until it has to stop.

In: a train job's plan and its training shards. Out: the trained module. What was done so far is in
a checkpoint, from which the next process of the same job goes on, on any number of devices.
"""

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.environments import LightningEnvironment

from biorobust.data.batches import EpochBatches
from biorobust.data.shards import Shards, open_shards
from biorobust.devices import prepare_torch
from biorobust.errors import UserError
from biorobust.files import explained
from biorobust.jobs import Job
from biorobust.models.base import ImageClassifier
from biorobust.models.registry import build_model
from biorobust.progress import Progress
from biorobust.training.module import TrainingModule
from biorobust.training.processes import run_in_processes
from biorobust.training.ranks import Ranks
from biorobust.training.resuming import ResumeFolder, SealedCheckpointIO
from biorobust.training.saving import Saving
from biorobust.training.time_limit import TimeLimit, process_start
from biorobust.training.watching import Watching


def new_model(job: Job, shards: Shards) -> ImageClassifier:
    """The model of a train job, untrained: the same weights in every process."""
    config = job.plan["config"]
    torch.manual_seed(config["seed"])
    options = {key: value for key, value in config["model"].items() if key != "kind"}
    return build_model(
        config["model"]["kind"],
        image_size=shards.image_size,
        classes=len(shards.classes),
        **options,
    )


def device_count(execution: dict[str, Any], device: torch.device) -> int:
    """How many devices train together: the job's GPUs; one where it was promised none, or a CPU.

    Raises UserError where fewer GPUs can be seen than were promised.
    """
    wanted = int(execution.get("gpus") or 1)
    if device.type != "cuda" or wanted == 1:
        return 1
    if (seen := torch.cuda.device_count()) < wanted:
        raise UserError(
            f"the job asks for {wanted} GPUs, but only {seen} can be seen here; "
            "ask for fewer, or run where there are as many"
        )
    return wanted


def fit(job: Job, device: torch.device, devices: int) -> tuple[TrainingModule, dict[str, Any]]:
    """Train the model of a job to its last epoch; the module, and what was measured.

    With several devices each is driven by a process of its own, and the result is what the last
    checkpoint holds. Raises Unfinished where the time limit, or a request to end, comes first.
    """
    limit = TimeLimit(job.execution.get("runtime_minutes"), process_start())
    resume = ResumeFolder(job.folder, job.origin)
    checkpoint = resume.usable(job.say)
    if devices == 1:
        module = _module(job, Ranks())
        measured = _fit(job, module, Ranks(), device, limit, checkpoint)
    else:
        of_ranks = run_in_processes(
            devices, fit_rank, replace(job, say=_say), device.type, limit, checkpoint
        )
        module = _module(job, Ranks())
        last = resume.read()
        module.load_state_dict(last["state_dict"])
        module.on_load_checkpoint(last)
        measured = {name: max(each[name] for each in of_ranks) for name in of_ranks[0]}
    epochs = job.plan["config"]["training"]["epochs"]
    if len(module.history) != epochs:
        raise UserError(f"training stopped after {len(module.history)} of {epochs} epochs")
    return module, measured


def fit_rank(
    rank: int,
    count: int,
    meeting: Path,
    job: Job,
    device_type: str,
    limit: TimeLimit,
    checkpoint: Path | None,
) -> dict[str, Any]:
    """One device's part of `fit`, in a process of its own; what it measured."""
    prepare_torch(job.execution)
    device = torch.device(device_type, rank) if device_type == "cuda" else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    ranks = Ranks.join(rank, count, meeting, device)
    return _fit(job, _module(job, ranks), ranks, device, limit, checkpoint)


def _say(line: str) -> None:
    print(line, flush=True)


def _module(job: Job, ranks: Ranks) -> TrainingModule:
    shards = open_shards(job.inputs["shards"].parent)
    config = job.plan["config"]
    batches = EpochBatches(
        shards,
        seed=config["seed"],
        batch_size=config["training"]["batch_size"],
        device=ranks.rank,
        devices=ranks.count,
    )
    model = new_model(job, shards)
    return TrainingModule(model, batches, config["training"], config["seed"], ranks)


def _fit(
    job: Job,
    module: TrainingModule,
    ranks: Ranks,
    device: torch.device,
    limit: TimeLimit,
    checkpoint: Path | None,
) -> dict[str, Any]:
    epochs = job.plan["config"]["training"]["epochs"]
    resume = ResumeFolder(job.folder, job.origin)
    first = ranks.rank == 0
    saving = Saving(
        resume,
        job.origin,
        ranks=ranks,
        interval_seconds=60 * job.execution["checkpoint_minutes"],
        limit=limit,
        say=job.say if first else lambda line: None,
    )
    watchers: list[lightning.Callback] = []
    if first:
        watchers = [Watching(Progress("epochs", epochs, job.say), len(module.batches))]
    _quieten()
    # Lightning asks the environment for its rank, which a cluster's variables would answer. For
    # it there is one device, and it is on its own: the ranks meet elsewhere.
    alone = LightningEnvironment()
    alone.set_global_rank(0)
    trainer = lightning.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        max_epochs=epochs,
        plugins=[alone, SealedCheckpointIO(writes=first)],
        logger=TensorBoardLogger(job.folder, name="tensorboard", version="") if first else False,
        callbacks=[saving, *watchers],
        enable_progress_bar=False,
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
        trainer.fit(module, module.batches, ckpt_path=checkpoint, weights_only=True)
    # A resumed job measures only the time of its own epochs.
    measured: dict[str, Any] = {"epochs_run": saving.epochs_run}
    if device.type == "cuda":
        measured["peak_gpu_memory_bytes"] = torch.cuda.max_memory_allocated(device)
    return measured


def _quieten() -> None:
    """Keep Lightning's advice and banners out of the log; warnings that matter are not its."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",
        ".*logging interval.*",
        ".*does not have many workers.*",
        "The `srun` command is available",
        ".*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", message=message)
