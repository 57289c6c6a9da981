"""The baseline: one network that sees the whole image at full resolution.

In: images [B, 3, N, N]. Out: logits [B, classes]. 11.2 M parameters with ResNet-18 and ten classes.
Source: thesis 3.1; Vuyyuru et al. 2020.
"""

from torch import Tensor

from biorobust.models.base import ImageClassifier
from biorobust.models.resnet import build_backbone, classification_head


class Standard(ImageClassifier):
    """A backbone and a linear head. Options as for `build_backbone`; None is the published value.

    Raises ValueError for an option's impossible value.
    """

    def __init__(
        self,
        *,
        image_size: int,
        classes: int,
        backbone: str = "resnet18",
        width: int | None = None,
        stem_width: int | None = None,
        batch_norm_momentum: float = 0.01,
    ) -> None:
        super().__init__(image_size=image_size, classes=classes)
        self.backbone = build_backbone(
            backbone, width=width, stem_width=stem_width, batch_norm_momentum=batch_norm_momentum
        )
        self.head = classification_head(self.backbone.feature_count, classes)

    def forward(self, images: Tensor) -> Tensor:
        self.require_images(images)
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def training_outputs(
        self, images: Tensor, labels: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        return self(images), self.backbone.regularisation(), {}
