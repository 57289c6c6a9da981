"""Parallel transformers: a network chooses k affine views of the image, and k networks see them.

In: images [B, 3, N, N]. Out: logits [B, classes]; a pass costs one of the localiser and k of the
backbone. With ResNet-18, k = 5 and ten classes, 56.2 M parameters with own weights and 11.5 M with
shared ones. Training and test see the same views. Source: thesis 3.3.1, and its public code
(github.com/Kappa666/Attention-against-adversaries @ a2f5393, model_backbone.py).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from biorobust.models.base import ImageClassifier
from biorobust.models.branches import Branches
from biorobust.models.localiser import Localiser
from biorobust.models.resnet import build_backbone
from biorobust.sampling.affine import affine_warp


class _Form(NamedTuple):
    initial: tuple[float, ...]
    """First biases of the parameters."""
    cells: tuple[int, ...]
    """Which parameter stands in each cell of the matrix, row by row; past the last one is 0."""


_TRANSFORMS = {
    "attention": _Form((1, 0, 1, 0), (0, 4, 1, 4, 2, 3)),
    "isotropic_attention": _Form((1, 0, 0), (0, 3, 1, 3, 0, 2)),
    "affine": _Form((1, 0, 0, 0, 1, 0), (0, 1, 2, 3, 4, 5)),
}


class ParallelTransformers(ImageClassifier):
    """A localiser, an affine sampler and k branches.

    transform: what the localiser may choose, each number in (-1, 1) as a tanh makes it:
    "attention", a scale and a shift along each axis (published code); "isotropic_attention", one
    scale for both axes (thesis text); "affine", the whole matrix. Views can thus enlarge or
    mirror, and at first all have the scale tanh(1) = 0.76 about the centre.

    branches, shared_weights, combination: as for `Branches`. The localiser_ options are those of
    the localiser, the others those of the branches, as for `build_backbone`; None is the published
    value. The published localiser is the full ResNet-20, on the whole image.

    Raises ValueError for an option's impossible value, and for averaged logits of several
    branches with shared weights: these would all start, and for ever stay, the same.
    """

    def __init__(
        self,
        *,
        image_size: int,
        classes: int,
        transform: str = "attention",
        branches: int = 5,
        shared_weights: bool = False,
        combination: str = "concatenated_features",
        localiser_backbone: str = "resnet20",
        localiser_width: int | None = None,
        localiser_stem_width: int | None = None,
        backbone: str = "resnet18",
        width: int | None = None,
        stem_width: int | None = None,
        batch_norm_momentum: float = 0.01,
    ) -> None:
        super().__init__(image_size=image_size, classes=classes)
        if transform not in _TRANSFORMS:
            raise ValueError(
                f"transform is {transform!r}; it must be one of {', '.join(_TRANSFORMS)}"
            )
        self.branches = Branches(
            lambda: build_backbone(
                backbone,
                width=width,
                stem_width=stem_width,
                batch_norm_momentum=batch_norm_momentum,
            ),
            branches=branches,
            shared_weights=shared_weights,
            combination=combination,
            classes=classes,
        )
        if shared_weights and combination == "averaged_logits" and branches > 1:
            raise ValueError(
                "combination is 'averaged_logits' with shared_weights, where transformers that "
                "start alike would stay alike; give them own weights or concatenate"
            )
        form = _TRANSFORMS[transform]
        self._cells = form.cells
        self.localiser = Localiser(
            [form.initial] * branches,
            backbone=localiser_backbone,
            width=localiser_width,
            stem_width=localiser_stem_width,
            batch_norm_momentum=batch_norm_momentum,
        )

    def transforms(self, images: Tensor) -> Tensor:
        """What is chosen for each image and branch: [B, 3, N, N] -> [B, k, 2, 3].

        A transform takes a point (x, y, 1) of the view to the point of the image that is seen
        there, in the coordinates of `affine_warp`: from -1 to 1, x to the right, y downwards.
        """
        self.require_images(images)
        with_zero = F.pad(self.localiser(images), (0, 1))  # [B, k, P + 1]
        cells = torch.stack([with_zero[..., cell] for cell in self._cells], dim=-1)  # [B, k, 6]
        return cells.view(*cells.shape[:2], 2, 3)

    def views(self, images: Tensor) -> Tensor:
        """What each branch sees: [B, 3, N, N] -> [k, B, 3, N, N]."""
        return _views(images, self.transforms(images))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.branches(self.views(images))
        return logits

    def training_outputs(
        self, images: Tensor, labels: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        transforms = self.transforms(images)
        logits = self.branches(_views(images, transforms))
        penalty = self.localiser.regularisation() + self.branches.regularisation()
        return logits, penalty, {"transforms": transforms.detach()}


def _views(images: Tensor, transforms: Tensor) -> Tensor:
    of_branches = images.expand(transforms.shape[1], *images.shape)
    views = affine_warp(of_branches.flatten(0, 1), transforms.transpose(0, 1).flatten(0, 1))
    return views.view(of_branches.shape)
