"""From a kind of model, as a config names it, to the model: new, or trained and on disk."""

import json
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from biorobust.errors import UserError
from biorobust.extensions import construct, is_reference, kind_class, told
from biorobust.files import read_json, sha256_of_file
from biorobust.models.base import ImageClassifier
from biorobust.models.kinds import MODELS

_RECORD = "training.json"
_WEIGHTS = "weights.safetensors"

SUFFIX = ".safetensors"
"""By this a published file is told from a folder."""
METADATA = "biorobust"
"""Under this name a published file says how to build its model."""


def model_class(kind: str) -> type[ImageClassifier]:
    """The class behind a kind, or behind a reference to a user's own; imports its module alone.

    Raises UserError for an unknown kind, and for an own class that is no `ImageClassifier`.
    """
    advice = (
        "derive it from biorobust.models.base.ImageClassifier, which says what a model must keep"
    )
    return cast(type[ImageClassifier], kind_class("model", kind, MODELS, ImageClassifier, advice))


def build_model(kind: str, *, image_size: int, classes: int, **options: Any) -> ImageClassifier:
    """A new, untrained model in eval mode, initialised from PyTorch's global generator.

    image_size: N in pixels, a multiple of 8, from 32 up; classes: 2 or more; options: those of
    the kind, which may be a reference to a user's own class. Raises UserError for an unknown kind
    or option or an impossible value, and for an own model that weights could not be loaded into.
    """
    family = model_class(kind)
    if is_reference(kind):
        # What could not be loaded again is told before hours of training, not after.
        with torch.random.fork_rng(devices=[]):
            require_loadable(kind, _without_memory(kind, family, image_size, classes, options))
    model = construct(f"model kind {kind}", family, options, image_size=image_size, classes=classes)
    model.solve_constants()
    return model.eval()


def _without_memory(
    kind: str,
    family: type[ImageClassifier],
    image_size: int,
    classes: int,
    options: dict[str, Any],
) -> ImageClassifier:
    """The model on the meta device, where nothing is allocated or initialised.

    The family's module has been imported before, or its own tensors would have no memory either.
    """
    what = f"model kind {kind}"
    try:
        with torch.device("meta"):
            return construct(what, family, options, image_size=image_size, classes=classes)
    except (RuntimeError, TypeError) as error:
        if not is_reference(kind):
            raise
        raise UserError(
            f"{what}: its constructor reads a tensor's values, which a model that is going to be "
            f"loaded does not have yet; do it on first use in forward ({told(error)})"
        ) from error


def require_loadable(kind: str, model: ImageClassifier) -> None:
    """Raise UserError where a model built on the meta device has tensors that weights don't fill.

    Those are tensors that a constructor leaves outside of parameters and persistent buffers.
    """
    saved = model.state_dict(keep_vars=True)
    for prefix, part in model.named_modules():
        held = {**vars(part), **dict(part.named_buffers(recurse=False))}
        for name, value in held.items():
            place = f"{prefix}.{name}".removeprefix(".")
            if isinstance(value, Tensor) and place not in saved:
                raise UserError(
                    f"model kind {kind} keeps the tensor {place} where it is not saved with the "
                    f"weights; make it on first use in forward, or a persistent buffer: "
                    f"register_buffer({name!r}, ...)"
                )


def load_model(
    directory: str | Path, device: str | torch.device = "cpu", *, kind: str | None = None
) -> ImageClassifier:
    """A trained model from its `seed-<s>` folder, or from a file that `publish_model` wrote.

    In eval mode, without gradients to its weights. kind: the reference to the class of a model
    that is a user's own. A published file needs it, since which code is run is not for somebody
    else's file to say; it serves as well where a user's file has moved.

    Raises UserError where the record or the weights are missing, damaged or do not fit the code.
    """
    path = Path(directory)
    is_published = path.suffix == SUFFIX
    weights_path = path if is_published else path / _WEIGHTS
    record_path = path if is_published else path / _RECORD
    record = _published_record(path) if is_published else read_json(record_path)
    try:
        options = dict(record["config"]["model"])
        recorded, image_size, classes = options.pop("kind"), record["image_size"], record["classes"]
        expected = None if is_published else record["outputs"][_WEIGHTS]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{record_path} is not the record of a trained model ({error!r}); train it again"
        ) from error
    if is_published and is_reference(recorded) and kind is None:
        raise UserError(
            f"{path} holds a model of somebody's own, {recorded}; if you have and trust that code, "
            f"say which: load_model({str(path)!r}, kind={recorded!r})"
        )
    if not weights_path.is_file():
        raise UserError(f"{weights_path} is missing; train the model again")
    if expected is not None and sha256_of_file(weights_path) != expected:
        raise UserError(
            f"{weights_path} is damaged (its SHA-256 is not the one in {_RECORD}); "
            "train the model again"
        )
    # The weights take the places of tensors without memory.
    kind = kind or recorded
    model = _without_memory(kind, model_class(kind), image_size, classes, options)
    try:
        model.load_state_dict(load_file(weights_path, device=str(device)), assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{weights_path} does not fit model kind {kind} as it is now ({reason}); "
            "train the model again"
        ) from error
    return model.eval().requires_grad_(False)


def _published_record(file: Path) -> dict[str, Any]:
    """What a published file says of its model: as a training record does.

    Raises UserError where the file is missing, damaged, or was not written by `publish_model`.
    """
    try:
        record: dict[str, Any] = json.loads(published_metadata(file)[METADATA])
        record["config"]["model"]["kind"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{file} holds weights alone; biorobust.publish_model writes how to build the model too"
        ) from error
    return record


def published_metadata(file: Path) -> dict[str, str]:
    """The texts in a safetensors file. Raises UserError where it is missing or damaged."""
    if not file.is_file():
        raise UserError(f"there is no file {file}")
    try:
        with safe_open(file, framework="pt") as opened:
            return opened.metadata() or {}
    except SafetensorError as error:
        raise UserError(f"{file} is no intact safetensors file ({error})") from error
