"""ResNet-18 and ResNet-20 as the published systems built them in Keras, up to the pooled features.

In: images [B, 3, N, N]. Out: features [B, feature_count], to be classified by a
`classification_head`, alone or concatenated with those of other backbones. At N = 320 a pass of
the full ResNet-18 costs about 3.7 G multiply-adds an image; ResNet-20 at N = 32 costs 41 M.

Where Keras differs from PyTorch's habits, Keras is followed: every convolution has a bias, padding
of strided convolutions is 'SAME', momentum and epsilon of batch normalisation and the
initialisers are Keras's. Source: Vuyyuru et al. 2020 and their public code
(github.com/mvuyyuru/adversary @ d45b6ac, resnet_backbone.py); He et al. 2016.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from inspect import signature
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Standard deviation of a unit normal cut off at two: Keras divides by it.
_CUT_NORMAL_DEVIATION = 0.87962566103423978


def he_normal_(weight: Tensor) -> Tensor:
    """Fill with Keras's he_normal: variance 2 / fan-in, cut off at two deviations."""
    fan_in = weight[0].numel()
    deviation = math.sqrt(2 / fan_in) / _CUT_NORMAL_DEVIATION
    return nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


def classification_head(feature_count: int, classes: int) -> nn.Linear:
    """The last layer, features [B, feature_count] -> logits [B, classes]: he_normal, zero bias."""
    head = nn.Linear(feature_count, classes)
    he_normal_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros (before, after) an axis in TensorFlow's 'SAME': an odd one out goes after."""
    total = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A square convolution padded as TensorFlow's 'SAME', [B, C, H, W] -> [B, D, H/s, W/s].

    With stride 2 and an even length all padding is at the bottom and right, where PyTorch would
    put it at the top and left: the two look at pixels that lie one apart.
    """

    def forward(self, input: Tensor) -> Tensor:
        (top, bottom), (left, right) = (
            same_padding(length, self.kernel_size[0], self.stride[0]) for length in input.shape[2:]
        )
        if (top, left) != (bottom, right):
            input = F.pad(input, (left, right, top, bottom))
            top = left = 0
        return F.conv2d(input, self.weight, self.bias, self.stride, (top, left))


class _Layers:
    """How one network makes its layers, so that its blocks need not know."""

    def __init__(
        self, initialise: Callable[[Tensor], Tensor], *, epsilon: float, momentum: float
    ) -> None:
        self._initialise = initialise
        self._epsilon = epsilon
        self._momentum = momentum

    def convolution(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> SameConv2d:
        layer = SameConv2d(inputs, outputs, kernel, stride)
        self._initialise(layer.weight)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
        return layer

    def normalisation(self, channels: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(channels, eps=self._epsilon, momentum=self._momentum)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, activated after the sum."""

    def __init__(
        self, layers: _Layers, inputs: int, outputs: int, stride: int, shortcut: nn.Module
    ) -> None:
        super().__init__()
        self.conv1 = layers.convolution(inputs, outputs, 3, stride)
        self.norm1 = layers.normalisation(outputs)
        self.conv2 = layers.convolution(outputs, outputs, 3)
        self.norm2 = layers.normalisation(outputs)
        self.shortcut = shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.norm1(self.conv1(inputs)))
        return F.relu(self.norm2(self.conv2(hidden)) + self.shortcut(inputs))


class Backbone(nn.Module, ABC):
    """A network without its last layer."""

    feature_count: int
    stem: nn.Sequential
    blocks: nn.Sequential

    def features(self, images: Tensor) -> Tensor:
        """Activations averaged over positions: [B, 3, H, W] -> [B, feature_count]."""
        pooled: Tensor = self.blocks(self.stem(images)).mean(dim=(2, 3))
        return pooled

    def forward(self, images: Tensor) -> Tensor:
        """As `features`, so that the module can be called."""
        return self.features(images)

    @abstractmethod
    def regularisation(self) -> Tensor:
        """The weight penalty that belongs to the network, a scalar to add to the loss."""


class ResNet18(Backbone):
    """The ImageNet network: a 7x7 stem and four stages of two blocks, 8 * width features.

    width: channels of the first stage (each later stage has twice as many); stem_width: channels
    of the stem, 64 in every published variant; stem_stride, pool_stride: 1 keeps the resolution,
    as the cortical networks do. The first block of every stage, the first stage included, has a
    projection with batch normalisation. Glorot-uniform kernels; no weight penalty.
    batch_norm_momentum is the weight of the newest batch (Keras's 0.99 is 0.01 here).
    """

    def __init__(
        self,
        *,
        width: int = 64,
        stem_width: int = 64,
        stem_stride: int = 2,
        pool_stride: int = 2,
        batch_norm_momentum: float = 0.01,
    ) -> None:
        super().__init__()
        layers = _Layers(nn.init.xavier_uniform_, epsilon=1.001e-5, momentum=batch_norm_momentum)
        stem = nn.Conv2d(3, stem_width, 7, stem_stride, padding=3)
        nn.init.xavier_uniform_(stem.weight)
        assert stem.bias is not None
        nn.init.zeros_(stem.bias)
        self.stem = nn.Sequential(
            stem,
            layers.normalisation(stem_width),
            nn.ReLU(),
            # Keras pads with zeros, PyTorch with -inf: the same after a ReLU.
            nn.MaxPool2d(3, pool_stride, padding=1),
        )
        blocks, inputs = [], stem_width
        for stage in range(4):
            outputs, stride = width * 2**stage, 1 if stage == 0 else 2
            projection = nn.Sequential(
                layers.convolution(inputs, outputs, 1, stride), layers.normalisation(outputs)
            )
            blocks.append(BasicBlock(layers, inputs, outputs, stride, projection))
            blocks.append(BasicBlock(layers, outputs, outputs, 1, nn.Identity()))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.feature_count = inputs

    def regularisation(self) -> Tensor:
        return next(self.parameters()).new_zeros(())


class ResNet20(Backbone):
    """The CIFAR network: a 3x3 stem and three stages of three blocks, 4 * width features.

    This is version 1 of the Keras CIFAR-10 example: projections only where the width doubles
    and without batch normalisation, he_normal kernels, and 1e-4 times the sum of all squared
    kernel weights as penalty. Options as for ResNet18; last_stride: 1 keeps the resolution in the
    last stage, as the thesis's public code does for cortical views of 12 pixels
    (github.com/Kappa666/Attention-against-adversaries @ a2f5393, resnet_backbone.py).
    """

    _PENALTY = 1e-4

    def __init__(
        self, *, width: int = 16, last_stride: int = 2, batch_norm_momentum: float = 0.01
    ) -> None:
        super().__init__()
        layers = _Layers(he_normal_, epsilon=1e-3, momentum=batch_norm_momentum)
        self.stem = nn.Sequential(
            layers.convolution(3, width, 3), layers.normalisation(width), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        inputs = width
        for stage, first_stride in enumerate((1, 2, last_stride)):
            outputs = width * 2**stage
            for block in range(3):
                widens = inputs != outputs
                stride = first_stride if block == 0 else 1
                shortcut = (
                    layers.convolution(inputs, outputs, 1, stride) if widens else nn.Identity()
                )
                blocks.append(BasicBlock(layers, inputs, outputs, stride, shortcut))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.feature_count = inputs

    def regularisation(self) -> Tensor:
        kernels = [part.weight for part in self.modules() if isinstance(part, SameConv2d)]
        total = next(self.parameters()).new_zeros(())
        for kernel in kernels:
            total = total + kernel.square().sum()
        return self._PENALTY * total


def total_regularisation(backbones: nn.ModuleList) -> Tensor:
    """The weight penalties of several backbones together, a scalar."""
    return torch.stack([cast(Backbone, each).regularisation() for each in backbones]).sum()


BACKBONES: dict[str, type[Backbone]] = {"resnet18": ResNet18, "resnet20": ResNet20}


def build_backbone(name: str, *, prefix: str = "", **options: int | float | None) -> Backbone:
    """The backbone "resnet18" or "resnet20" with these options; None means the published value.

    Raises ValueError for an unknown name, an option that the backbone does not have and an
    impossible value; prefix is what stands before an option's name in the model's own options.
    """
    if name not in BACKBONES:
        raise ValueError(f"{prefix}backbone is {name!r}; it must be one of {', '.join(BACKBONES)}")
    given = {option: value for option, value in options.items() if value is not None}
    known = signature(BACKBONES[name]).parameters
    for option, value in given.items():
        if option not in known:
            raise ValueError(
                f"{name} has no option {prefix}{option}; its options are {', '.join(known)}"
            )
        if option == "batch_norm_momentum":
            if not isinstance(value, int | float) or not 0 < value <= 1:
                raise ValueError(f"{option} is {value!r}; it must be a number in (0, 1]")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{prefix}{option} is {value!r}; it must be a whole number, 1 or more")
    return BACKBONES[name](**given)
