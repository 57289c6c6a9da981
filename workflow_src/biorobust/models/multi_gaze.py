"""Multi-gaze: a network chooses k gazes, and k networks see the image, one from each.

In: images [B, 3, N, N]. Out: logits [B, classes]; a pass costs one of the localiser and k of the
backbone. With ResNet-18, k = 5 and ten classes, 67.1 M parameters with own weights and 22.4 M with
shared ones. Training and test see the same views. Source: thesis 3.3.2, and its public code
(github.com/Kappa666/Attention-against-adversaries @ a2f5393, model_backbone.py, glimpse.py). There
an image is seen through a retina; cortical views are one of the combinations that thesis 4 leaves
to the future.
"""

import math

import torch
from torch import Tensor

from biorobust.models.base import ImageClassifier
from biorobust.models.branches import Branches
from biorobust.models.localiser import Localiser
from biorobust.models.resnet import Backbone, build_backbone
from biorobust.models.scales import ScaleNetworks, scale_backbones
from biorobust.sampling.cortical import cortical_views
from biorobust.sampling.retinal import RetinalSampler
from biorobust.sampling.windows import CorticalWindows, cortical_windows

VIEWS = ("retinal", "cortical")

_PUBLISHED = ((0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5), (0.0, 0.0))
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


def initial_biases(branches: int) -> list[tuple[float, float]]:
    """The biases (row, column) behind the first gazes; a gaze is their tanh times its reach.

    The first five are published: the corners of a square and its centre. None is for other
    numbers: fewer are the first of these, and more go round a circle of half the square's side,
    each a golden angle on, since branches that share their weights must not start alike.
    """
    angles = [_GOLDEN_ANGLE * further for further in range(branches - len(_PUBLISHED))]
    circle = [(0.5 * math.sin(angle), 0.5 * math.cos(angle)) for angle in angles]
    return [*_PUBLISHED[:branches], *circle]


class MultiGaze(ImageClassifier):
    """A localiser, a sampler of views and k branches.

    views: what is seen from a gaze. "retinal" (published), the image through a bilinear retinal
    warp, from gazes with a reach of N/2; "cortical", the four scales of `cortical_scales`,
    interpolated bilinearly, from gazes with a reach of N/8, at which the widest scale still lies
    in the image. A cortical branch is a network for each scale, whose features are concatenated.

    gaze_regularisation: times the sum of the squares of all k gazes' coordinates, in units of
    their reach, and averaged over the images, it is added to the loss. 0.01 is in the published
    code; the thesis first trained with 0, and its gazes went to the corners; 0.001 was tried too.

    branches, shared_weights, combination: as for `Branches`. The localiser_ options are those of
    the localiser, the others those of the branches, as for `build_backbone` or, for cortical
    views, `scale_backbones`; None is the published value. The published localiser is the full
    ResNet-18, on the whole image; before training the gazes are those of `initial_biases`, 74
    pixels out along each axis at N = 320.

    Raises ValueError for an option's impossible value.
    """

    def __init__(
        self,
        *,
        image_size: int,
        classes: int,
        views: str = "retinal",
        gaze_regularisation: float = 0.01,
        branches: int = 5,
        shared_weights: bool = False,
        combination: str = "concatenated_features",
        localiser_backbone: str = "resnet18",
        localiser_width: int | None = None,
        localiser_stem_width: int | None = None,
        backbone: str = "resnet18",
        width: int | None = None,
        stem_width: int | None = None,
        batch_norm_momentum: float = 0.01,
    ) -> None:
        super().__init__(image_size=image_size, classes=classes)
        if views not in VIEWS:
            raise ValueError(f"views is {views!r}; it must be one of {', '.join(VIEWS)}")
        possible = isinstance(gaze_regularisation, int | float) and gaze_regularisation >= 0
        if not possible or isinstance(gaze_regularisation, bool):
            raise ValueError(
                f"gaze_regularisation is {gaze_regularisation!r}; it must be a number, 0 or more"
            )
        self.gaze_regularisation = gaze_regularisation
        self._windows: CorticalWindows | None = None
        if views == "retinal":
            self.retina = RetinalSampler(image_size, "bilinear")
            self._reach = image_size // 2
        else:
            self._windows = cortical_windows(image_size)
            self._reach = self._windows.gaze

        def build() -> Backbone | ScaleNetworks:
            if self._windows is None:
                return build_backbone(
                    backbone,
                    width=width,
                    stem_width=stem_width,
                    batch_norm_momentum=batch_norm_momentum,
                )
            return ScaleNetworks(
                scale_backbones(
                    len(self._windows.radii),
                    backbone=backbone,
                    width=width,
                    stem_width=stem_width,
                    batch_norm_momentum=batch_norm_momentum,
                )
            )

        self.branches = Branches(
            build,
            branches=branches,
            shared_weights=shared_weights,
            combination=combination,
            classes=classes,
        )
        self.localiser = Localiser(
            initial_biases(branches),
            backbone=localiser_backbone,
            width=localiser_width,
            stem_width=localiser_stem_width,
            batch_norm_momentum=batch_norm_momentum,
        )

    def solve_constants(self) -> None:
        if self._windows is None:
            self.retina.solve()

    def gazes(self, images: Tensor) -> Tensor:
        """Where each branch looks, (row, column) in pixels from the image centre.

        [B, 3, N, N] -> [B, k, 2], each coordinate within N/2, or N/8 for cortical views.
        """
        self.require_images(images)
        gazes: Tensor = self._reach * self.localiser(images)
        return gazes

    def views(self, images: Tensor) -> Tensor:
        """What each branch sees: [B, 3, N, N] -> [k, B, 3, N, N].

        Cortical views are [k, B, 4, 3, N/8, N/8], from the narrow scale to the wide one.
        """
        return self._views(images, self.gazes(images))

    def _views(self, images: Tensor, gazes: Tensor) -> Tensor:
        of_branches = images.expand(gazes.shape[1], *images.shape)
        folded, at = of_branches.flatten(0, 1), gazes.transpose(0, 1).flatten(0, 1)
        if self._windows is None:
            views = self.retina.warp(folded, at)
        else:
            views = torch.stack(cortical_views(folded, at, self._windows), dim=1)
        return views.view(*of_branches.shape[:2], *views.shape[1:])

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.branches(self.views(images))
        return logits

    def training_outputs(
        self, images: Tensor, labels: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        gazes = self.gazes(images)
        logits = self.branches(self._views(images, gazes))
        squares = (gazes / self._reach).square().sum(dim=(1, 2)).mean()
        penalty = self.localiser.regularisation() + self.branches.regularisation()
        extra_loss = penalty + self.gaze_regularisation * squares
        return logits, extra_loss, {"gazes": gazes.detach()}
