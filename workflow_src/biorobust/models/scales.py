"""A network for each scale of a cortical fixation.

Source: Vuyyuru et al. 2020 and their public code (github.com/mvuyyuru/adversary @ d45b6ac,
model_backbone.py).
"""

import torch
from torch import Tensor, nn

from biorobust.models.resnet import Backbone, build_backbone

_WIDTHS = {"resnet18": 45, "resnet20": 22}


def scale_backbones(
    scales: int,
    *,
    backbone: str,
    width: int | None,
    stem_width: int | None,
    batch_norm_momentum: float,
    last_stride: int | None = None,
) -> list[Backbone]:
    """Backbones for views of N/8 pixels, one a scale; ResNet-18's stem keeps their resolution.

    Options as for `build_backbone`; None is the published value, and for the width 45 (ResNet-18)
    or 22 (ResNet-20). Raises ValueError for an option's impossible value.
    """
    stem_stride = 1 if backbone == "resnet18" else None
    return [
        build_backbone(
            backbone,
            width=_WIDTHS.get(backbone) if width is None else width,
            stem_width=stem_width,
            stem_stride=stem_stride,
            pool_stride=stem_stride,
            last_stride=last_stride,
            batch_norm_momentum=batch_norm_momentum,
        )
        for _ in range(scales)
    ]


class ScaleNetworks(nn.Module):
    """One backbone a scale, whose features are concatenated: [B, S, 3, v, v] -> [B, S * F]."""

    def __init__(self, backbones: list[Backbone]) -> None:
        super().__init__()
        self.backbones = nn.ModuleList(backbones)
        self.feature_count = sum(backbone.feature_count for backbone in backbones)

    def forward(self, scales: Tensor) -> Tensor:
        of_scales = zip(self.backbones, scales.unbind(dim=1), strict=True)
        return torch.cat([backbone(scale) for backbone, scale in of_scales], dim=1)
