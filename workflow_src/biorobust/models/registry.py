"""From a kind of model, as a config names it, to the model: new, or trained and on disk."""

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file

from biorobust.errors import UserError
from biorobust.files import read_json, sha256_of_file
from biorobust.models.base import ImageClassifier
from biorobust.models.kinds import MODELS

_RECORD = "training.json"
_WEIGHTS = "weights.safetensors"


def model_class(kind: str) -> type[ImageClassifier]:
    """The class behind a kind; imports its module alone. Raises UserError for an unknown kind."""
    if kind not in MODELS:
        raise UserError(f"there is no model kind {kind!r}; the kinds are {', '.join(MODELS)}")
    module, name = MODELS[kind].split(":")
    return cast(type[ImageClassifier], getattr(import_module(module), name))


def build_model(kind: str, *, image_size: int, classes: int, **options: Any) -> ImageClassifier:
    """A new, untrained model in eval mode, initialised from PyTorch's global generator.

    image_size: N in pixels, a multiple of 8, from 32 up; classes: 2 or more; options: those of
    the kind. Raises UserError for an unknown kind or option or an impossible value.
    """
    model = _construct(kind, image_size, classes, options)
    model.solve_constants()
    return model.eval()


def _construct(
    kind: str, image_size: int, classes: int, options: dict[str, Any]
) -> ImageClassifier:
    family = model_class(kind)
    known = [name for name in signature(family).parameters if name not in ("image_size", "classes")]
    for option in options:
        if option not in known:
            raise UserError(
                f"model kind {kind} has no option {option!r}; its options are {', '.join(known)}"
            )
    try:
        return family(image_size=image_size, classes=classes, **options)
    except ValueError as error:
        raise UserError(f"model kind {kind}: {error}") from error


def load_model(directory: str | Path, device: str | torch.device = "cpu") -> ImageClassifier:
    """A trained model from its `seed-<s>` folder, in eval mode, without gradients to its weights.

    Raises UserError where the record or the weights are missing, damaged or do not fit the code.
    """
    record_path, weights_path = Path(directory) / _RECORD, Path(directory) / _WEIGHTS
    record = read_json(record_path)
    try:
        options = dict(record["config"]["model"])
        kind, expected = options.pop("kind"), record["outputs"][_WEIGHTS]
        image_size, classes = record["image_size"], record["classes"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{record_path} is not the record of a trained model ({error!r}); train it again"
        ) from error
    if not weights_path.is_file():
        raise UserError(f"{weights_path} is missing; train the model again")
    if sha256_of_file(weights_path) != expected:
        raise UserError(
            f"{weights_path} is damaged (its SHA-256 is not the one in {_RECORD}); "
            "train the model again"
        )
    # On the meta device nothing is allocated or initialised; the weights take their places.
    with torch.device("meta"):
        model = _construct(kind, image_size, classes, options)
    try:
        model.load_state_dict(load_file(weights_path, device=str(device)), assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{weights_path} does not fit model kind {kind} as it is now ({reason}); "
            "train the model again"
        ) from error
    return model.eval().requires_grad_(False)
