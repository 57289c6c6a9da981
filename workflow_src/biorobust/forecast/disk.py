"""Bytes that follow from what is planned, before a job has run."""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import torch

from biorobust.data.sources.catalogue import Split
from biorobust.forecast.workload import Images
from biorobust.models.registry import model_class

# numpy fills the header of a version 1.0 .npy up to a multiple of 64 bytes; ours take two.
_NPY_HEADER = 128
# safetensors' names of the types that models have; those of other types are about as long.
_TYPES = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL", torch.float64: "F64"}
# A line of history.csv and TensorBoard's two scalars, an epoch; the heads of both files.
_EPOCH_BYTES, _HISTORY_BYTES = 53 + 186, 160


def shard_bytes(images: Images, image_size: int, images_per_shard: int) -> int:
    """Arrays, uint8 [n, N, N, 3] each, and indexes of both splits."""
    splits: list[Split] = ["train", "test"]
    return sum(
        images.counts[split] * image_size**2 * 3
        + -(-images.counts[split] // images_per_shard) * _NPY_HEADER
        + images.index_bytes[split]
        for split in splits
    )


def weights_bytes(model: Mapping[str, Any], image_size: int, classes: int) -> int:
    """The size of `weights.safetensors`; `model` is a kind with its options.

    Source: the safetensors format: 8 bytes of length, a JSON header filled up to a multiple of 8,
    the tensors. The model is built without memory for its tensors.
    """
    options = {key: value for key, value in model.items() if key != "kind"}
    # A user's own module is imported before: its tensors may be read when it is.
    family = model_class(model["kind"])
    with torch.device("meta"):
        state = family(image_size=image_size, classes=classes, **options).state_dict()
    header, end = {}, 0
    # The widest types come first, and so end up aligned.
    for name, tensor in sorted(state.items(), key=lambda item: (-item[1].itemsize, item[0])):
        begin, end = end, end + prod(tensor.shape) * tensor.itemsize
        header[name] = {
            "dtype": _TYPES.get(tensor.dtype, "F16"),
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + -(-length // 8) * 8 + end


def training_bytes(weights: int, epochs: int) -> int:
    """Everything that a training leaves beside its record; `epochs` is 0 for weights taken over."""
    return weights + _HISTORY_BYTES + epochs * _EPOCH_BYTES
