"""Retinal fixations: one network that sees the image through a retina, from five gazes in turn.

In: images [B, 3, N, N]. Out: logits [B, classes], the mean over the five gazes' logits; a pass
costs five passes of the backbone. In training each image is seen from one random gaze.
Source: Vuyyuru et al. 2020 (nearest; gazes up to 80 pixels out at N = 320, so N/4); thesis 3.2
(bilinear, and truncated, which is how it describes the published sampling). Thesis 2.4 speaks of
concatenated outputs; published code and thesis 3.3 average. Concatenation is no option here: with
one gaze at a time in training, a head over five would have nothing to be trained on.
"""

from torch import Tensor

from biorobust.models.base import ImageClassifier
from biorobust.models.resnet import build_backbone, classification_head
from biorobust.sampling.gazes import fixation_gazes, gazes_from_draws
from biorobust.sampling.retinal import RetinalSampler


class RetinalFixations(ImageClassifier):
    """A retinal warp, a backbone and a linear head.

    interpolation: "nearest" (published), "bilinear" (thesis 3.2) or "truncated" (what thesis 3.2
    says that the published models do). The other options as for `build_backbone`; None is the
    published value. Raises ValueError for an option's impossible value.
    """

    draws_per_image = 2

    def __init__(
        self,
        *,
        image_size: int,
        classes: int,
        interpolation: str = "nearest",
        backbone: str = "resnet18",
        width: int | None = None,
        stem_width: int | None = None,
        batch_norm_momentum: float = 0.01,
    ) -> None:
        super().__init__(image_size=image_size, classes=classes)
        self.retina = RetinalSampler(image_size, interpolation)
        self.backbone = build_backbone(
            backbone, width=width, stem_width=stem_width, batch_norm_momentum=batch_norm_momentum
        )
        self.head = classification_head(self.backbone.feature_count, classes)
        self._reach = image_size // 4

    def solve_constants(self) -> None:
        self.retina.solve()

    def forward(self, images: Tensor) -> Tensor:
        self.require_images(images)
        gazes = fixation_gazes(self._reach)
        views = self.retina.warp_fixed(images, gazes)  # [5 B, 3, N, N]
        logits = self.head(self.backbone(views)).unflatten(0, (len(gazes), -1))  # [5, B, classes]
        mean: Tensor = logits.mean(dim=0)
        return mean

    def training_outputs(
        self, images: Tensor, labels: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        self.require_images(images)
        views = self.retina.warp_whole(images, gazes_from_draws(draws, self._reach))
        return self.head(self.backbone(views)), self.backbone.regularisation(), {}
