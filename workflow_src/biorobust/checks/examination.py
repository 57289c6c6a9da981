"""From a job of checks to the trained model that it examines."""

import torch

from biorobust.checks.recorded import Recorded
from biorobust.checks.subject import CountedModel, Subject
from biorobust.data.batches import to_pixels
from biorobust.data.shards import Shards
from biorobust.devices import prepare_torch
from biorobust.jobs import Job
from biorobust.models.registry import load_model


def subject_of(job: Job, shards: Shards, recorded: Recorded) -> Subject:
    """The job's model with all test images. Raises UserError as `load_model` does."""
    device = prepare_torch(job.execution)
    models = {
        name: CountedModel(load_model(job.inputs[name].parent, device))
        for name in ("training", "transfer_from")
        if name in job.inputs
    }
    every = torch.arange(len(shards)).numpy()
    return Subject(
        model=models["training"],
        images=to_pixels(torch.from_numpy(shards.read(every))),
        labels=torch.from_numpy(shards.labels),
        recorded=recorded,
        device=device,
        batch_size=job.execution["attack_batch_size"],
        seed=job.plan["config"]["seed"],
        transfer_from=models.get("transfer_from"),
    )
