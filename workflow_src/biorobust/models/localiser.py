"""The network that looks first: for each branch, where and how it shall see the image.

In: images [B, 3, N, N]. Out: k sets of P numbers in (-1, 1), [B, k, P]. Source: the thesis's
public code (github.com/Kappa666/Attention-against-adversaries @ a2f5393, model_backbone.py).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from biorobust.models.resnet import build_backbone


class Localiser(nn.Module):
    """A backbone and a dense layer under tanh, whose kernel starts at zero.

    initial: the layer's first biases, P for each of the k branches; before training the outputs
    are their tanh, whatever the image. backbone, width, stem_width, batch_norm_momentum: as for
    `build_backbone`, whose ValueError speaks of localiser_backbone and so on.
    """

    def __init__(
        self,
        initial: Sequence[Sequence[float]],
        *,
        backbone: str,
        width: int | None,
        stem_width: int | None,
        batch_norm_momentum: float,
    ) -> None:
        super().__init__()
        self.backbone = build_backbone(
            backbone,
            prefix="localiser_",
            width=width,
            stem_width=stem_width,
            batch_norm_momentum=batch_norm_momentum,
        )
        self._shape = (len(initial), len(initial[0]))
        biases = torch.tensor([value for branch in initial for value in branch])
        self.dense = nn.Linear(self.backbone.feature_count, len(biases))
        nn.init.zeros_(self.dense.weight)
        with torch.no_grad():
            self.dense.bias.copy_(biases)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.dense(self.backbone(images)).tanh()
        return outputs.view(len(images), *self._shape)

    def regularisation(self) -> Tensor:
        """The weight penalty of the backbone, a scalar."""
        return self.backbone.regularisation()
