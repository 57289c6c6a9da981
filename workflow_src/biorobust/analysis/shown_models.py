"""What the figures that run a model share: the trained models and a few test images, as tensors."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from biorobust.data.batches import to_pixels
from biorobust.data.shards import Shards
from biorobust.jobs import Job
from biorobust.models.registry import load_model


def load_shown_models(job: Job, device: torch.device) -> dict[str, Any]:
    """The trained models among a job's inputs, by name, in the order of the config.

    Raises UserError as `load_model` does.
    """
    return {
        name.split(":")[1]: load_model(path.parent, device)
        for name, path in job.inputs.items()
        if name.startswith("training:")
    }


def first_of_each_class(shards: Shards, most: int) -> npt.NDArray[np.int64]:
    """Positions of the first image of each class, by class, for the first `most` classes."""
    _, first = np.unique(shards.labels, return_index=True)
    return first[:most].astype(np.int64)


def read_pixels(shards: Shards, positions: npt.NDArray[np.int64], device: torch.device) -> Tensor:
    """The images at these positions, as models take them: [B, 3, N, N], floats in [0, 1]."""
    return to_pixels(torch.from_numpy(shards.read(positions)).to(device))


def as_pictures(images: Tensor) -> npt.NDArray[np.float32]:
    """Images [..., 3, H, W] as they are drawn: [..., H, W, 3], cut to [0, 1]."""
    # Interpolation of ones may give a little more than 1.
    pictures: npt.NDArray[np.float32] = images.clamp(0, 1).movedim(-3, -1).cpu().numpy()
    return pictures
