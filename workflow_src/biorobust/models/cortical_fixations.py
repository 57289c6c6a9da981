"""Cortical fixations: a network for each scale of a fixation, around five gazes in turn.

In: images [B, 3, N, N]. Out: logits [B, classes], the mean over the five gazes' logits. At each
gaze, four windows of one size in pixels and ever coarser (see `sampling.cortical`) go through four
networks of their own, whose features are concatenated for one linear head. In training each image
is seen from one random gaze. With ResNet-18 and ten classes: 22.20 M parameters in a test, and
14.4 k more in the auxiliary heads, which are trained and saved but take no part in the logits.
(The paper and thesis 2.4 speak of as many as the other models have, which is 11.2 M.)

Source: Vuyyuru et al. 2020 and their public code (github.com/mvuyyuru/adversary @ d45b6ac,
model_backbone.py), where a gaze is drawn for each batch; here for each image, so that the batch
makes no difference. Thesis 2.4 speaks of concatenated outputs over gazes; published code and thesis
3.3 average. Concatenating gazes is no option here: with one at a time in training, a head over five
would have nothing to be trained on.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from biorobust.models.base import ImageClassifier
from biorobust.models.resnet import classification_head, total_regularisation
from biorobust.models.scales import scale_backbones
from biorobust.sampling.cortical import cortical_views, cortical_views_fixed
from biorobust.sampling.gazes import fixation_gazes, gazes_from_draws
from biorobust.sampling.windows import cortical_windows


class CorticalFixations(ImageClassifier):
    """Scales of a fixation, a backbone for each, and a linear head on all features.

    radii, view_size, gaze: the scales and the farthest gaze in pixels, freeze_widest: whether the
    widest scale stays at the image centre, all as for `windows.cortical_windows`; None is the
    published value. A single radius, [6], is the single-scale comparison. auxiliary: whether each
    backbone has a linear head of its own in training, whose cross-entropy is added to the loss.

    The other options as for `build_backbone`; None is the published value: widths 45 (ResNet-18,
    whose stem keeps the resolution here) and 22 (ResNet-20). The published CIFAR-10 models are
    ResNet-20 without auxiliary heads, radii [1, 2] and view_size 15, or with the thesis's public
    code view_size 12, width 21 and last_stride 1. Raises ValueError for an option's impossible
    value, and for an auxiliary head on a single scale, which would be a second head on the same.
    """

    draws_per_image = 2
    training_only = ("auxiliary_heads",)

    def __init__(
        self,
        *,
        image_size: int,
        classes: int,
        radii: Sequence[int] | None = None,
        view_size: int | None = None,
        gaze: int | None = None,
        freeze_widest: bool = False,
        auxiliary: bool = True,
        backbone: str = "resnet18",
        width: int | None = None,
        stem_width: int | None = None,
        last_stride: int | None = None,
        batch_norm_momentum: float = 0.01,
    ) -> None:
        super().__init__(image_size=image_size, classes=classes)
        self.windows = cortical_windows(
            image_size, radii=radii, view_size=view_size, gaze=gaze, freeze_widest=freeze_widest
        )
        scales = len(self.windows.radii)
        if not isinstance(auxiliary, bool):
            raise ValueError(f"auxiliary is {auxiliary!r}; it must be True or False")
        if auxiliary and scales == 1:
            raise ValueError("auxiliary heads need two scales or more; switch auxiliary off")
        networks = scale_backbones(
            scales,
            backbone=backbone,
            width=width,
            stem_width=stem_width,
            last_stride=last_stride,
            batch_norm_momentum=batch_norm_momentum,
        )
        counts = [network.feature_count for network in networks]
        self.backbones = nn.ModuleList(networks)
        self.head = classification_head(sum(counts), classes)
        self.auxiliary_heads = nn.ModuleList(
            classification_head(count, classes) for count in counts if auxiliary
        )

    def forward(self, images: Tensor) -> Tensor:
        self.require_images(images)
        gazes = fixation_gazes(self.windows.gaze)
        features = self._features(cortical_views_fixed(images, gazes, self.windows))
        logits = self.head(torch.cat(features, dim=1)).unflatten(0, (len(gazes), -1))
        mean: Tensor = logits.mean(dim=0)  # over the gazes, [B, classes]
        return mean

    def training_outputs(
        self, images: Tensor, labels: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        self.require_images(images)
        gazes = gazes_from_draws(draws, self.windows.gaze)
        features = self._features(cortical_views(images, gazes, self.windows))
        extra_loss = total_regularisation(self.backbones)
        if self.auxiliary_heads:
            for head, own in zip(self.auxiliary_heads, features, strict=True):
                extra_loss = extra_loss + cross_entropy(head(own), labels)
        return self.head(torch.cat(features, dim=1)), extra_loss, {}

    def _features(self, views: list[Tensor]) -> list[Tensor]:
        """For each scale: [B, 3, v, v] -> [B, feature_count]."""
        return [backbone(scale) for backbone, scale in zip(self.backbones, views, strict=True)]
