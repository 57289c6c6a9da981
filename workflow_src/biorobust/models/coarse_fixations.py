"""Coarse fixations: one network that sees a large crop of the image, around five gazes in turn.

In: images [B, 3, N, N]. Out: logits [B, classes], the mean over the five gazes' logits; a pass
costs five passes of the network on the crop. In training each image is seen in one crop, anywhere
in the image with the same probability. 11.2 M parameters with ResNet-18 and ten classes.

Source: Vuyyuru et al. 2020 and their public code (github.com/mvuyyuru/adversary @ d45b6ac,
model_backbone.py), where a crop is drawn for each batch; here for each image, so that the batch
makes no difference. Thesis 2.4 speaks of concatenated outputs; published code and thesis 3.3
average. Concatenation is no option here: with one gaze at a time in training, a head over five
would have nothing to be trained on.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biorobust.models.base import ImageClassifier
from biorobust.models.resnet import build_backbone, classification_head, total_regularisation
from biorobust.sampling.crops import crop_at_gazes, crop_fixed
from biorobust.sampling.gaussian import gaussian_filter
from biorobust.sampling.gazes import fixation_gazes
from biorobust.sampling.windows import coarse_window, first_pixel, whole_number

_BRANCH_WIDTH = 27
"""Of each of the published four branches of ResNet-18: 8.06 M parameters together."""


class CoarseFixations(ImageClassifier):
    """A crop, one or more backbones that all see it, and a linear head on their features.

    view: "cropped", or what the paper compares with: "upsampled" (a smaller crop, twice enlarged
    by repeating pixels) or "blurred" (a larger one, behind a Gaussian filter). crop, gaze,
    blur_radius: the crop's side, the farthest test gaze and the filter's radius in pixels; None is
    the published share of N (see `windows.coarse_window`). branches: how many backbones (published:
    1, and 4 as a comparison). The other options as for `build_backbone`; None is the published
    value, which for several branches of ResNet-18 is a width of 27. Raises ValueError for an
    option's impossible value.
    """

    draws_per_image = 2

    def __init__(
        self,
        *,
        image_size: int,
        classes: int,
        view: str = "cropped",
        crop: int | None = None,
        gaze: int | None = None,
        blur_radius: int | None = None,
        branches: int = 1,
        backbone: str = "resnet18",
        width: int | None = None,
        stem_width: int | None = None,
        batch_norm_momentum: float = 0.01,
    ) -> None:
        super().__init__(image_size=image_size, classes=classes)
        self.window = coarse_window(image_size, view, crop, gaze, blur_radius)
        self._upsampled = view == "upsampled"
        several = whole_number("branches", branches, 1, 64) > 1
        if several and backbone == "resnet18" and width is None:
            width = _BRANCH_WIDTH
        networks = [
            build_backbone(
                backbone,
                width=width,
                stem_width=stem_width,
                batch_norm_momentum=batch_norm_momentum,
            )
            for _ in range(branches)
        ]
        feature_count = sum(network.feature_count for network in networks)
        self.branches = nn.ModuleList(networks)
        self.head = classification_head(feature_count, classes)

    def forward(self, images: Tensor) -> Tensor:
        self.require_images(images)
        gazes = fixation_gazes(self.window.gaze)
        crops = crop_fixed(images, gazes, self.window.size)  # [5 B, 3, size, size]
        logits = self._logits(crops).view(len(gazes), -1, self.classes)
        return logits.mean(dim=0)  # over the gazes, [B, classes]

    def training_outputs(
        self, images: Tensor, labels: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        self.require_images(images)
        size = self.window.size
        corners = (draws * (self.image_size - size + 1)).floor().long()
        crops = crop_at_gazes(images, corners - first_pixel(self.image_size, size), size)
        return self._logits(crops), total_regularisation(self.branches), {}

    def _logits(self, crops: Tensor) -> Tensor:
        """[B, 3, size, size] -> [B, classes]."""
        if self._upsampled:
            crops = F.interpolate(crops, scale_factor=2, mode="nearest")
        if self.window.blur_radius is not None:
            crops = gaussian_filter(crops, self.window.blur_radius)
        logits: Tensor = self.head(torch.cat([branch(crops) for branch in self.branches], dim=1))
        return logits
