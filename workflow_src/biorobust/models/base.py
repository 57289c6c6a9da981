"""What every model offers to training and to attacks."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class ImageClassifier(nn.Module, ABC):
    """From images to logits: the contract that every family of models keeps.

    A family is a class whose keyword-only constructor takes image_size (N), classes and its own
    options, each with a default, and it must

    - take images as they are, [B, 3, N, N] in [0, 1]; any normalisation is its own affair;
    - in eval mode be deterministic, treat each image by itself and be differentiable in pixels;
    - take all its randomness in training from `draws`, never from a generator, so that worker,
      batch and device counts change nothing;
    - keep everything that its forward pass depends on, besides its options, in parameters and
      persistent buffers. A constructor makes no other tensors and reads none, since a model is
      loaded by constructing it without memory and filling in the weights; tables that follow
      from options or buffers are made on first use;
    - raise ValueError, with one clear line, for an option's impossible value.

    Raises ValueError unless N is a multiple of 8, from 32 up, and there are two classes or more.
    """

    draws_per_image: int = 0
    """How many uniform numbers `training_outputs` wants for each image."""

    training_only: tuple[str, ...] = ()
    """Names of the parts that are trained and saved, but take no part in the logits."""

    def __init__(self, *, image_size: int, classes: int) -> None:
        super().__init__()
        if image_size < 32 or image_size % 8:
            raise ValueError(f"image_size is {image_size}; it must be a multiple of 8, from 32 up")
        if classes < 2:
            raise ValueError(f"classes is {classes}; it must be 2 or more")
        self.image_size = image_size
        self.classes = classes

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Logits, never probabilities, as in a test: [B, 3, N, N] -> [B, classes]."""

    def training_outputs(
        self, images: Tensor, labels: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """One step of training, in train mode: (logits, extra loss, diagnostics).

        images: [B, 3, N, N]; labels: [B], classes from 0, for a model with losses of its own;
        draws: [B, draws_per_image], uniform in [0, 1). Logits [B, classes] go into the
        cross-entropy; the extra loss is a scalar added to its mean (0 if none); diagnostics are
        values worth remembering, by name, each [B, ...] and detached.
        """
        return self(images), images.new_zeros(()), {}

    def solve_constants(self) -> None:
        """Compute what the options imply at a price (scipy), into buffers.

        Called once on a new model, before training; a loaded model has it from its weights.
        """

    def parameter_counts(self) -> dict[str, int]:
        """How many trained numbers: {"network": in a test, "training_only": besides}."""
        total = sum(parameter.numel() for parameter in self.parameters())
        besides = sum(
            parameter.numel()
            for part in self.training_only
            for parameter in self.get_submodule(part).parameters()
        )
        return {"network": total - besides, "training_only": besides}

    def require_images(self, images: Tensor) -> None:
        """Raises ValueError unless images are floats [B, 3, N, N]."""
        expected = (3, self.image_size, self.image_size)
        if images.ndim != 4 or images.shape[1:] != expected:
            raise ValueError(
                f"images are {list(images.shape)}; expected [B, {', '.join(map(str, expected))}]"
            )
        if not torch.is_floating_point(images):
            raise ValueError(f"images are {images.dtype}; expected floats in [0, 1]")
