"""The three balls that an attack may move in: L-infinity, true L2 and RMS (the thesis's "L2").

All functions take and give [B, C, H, W] tensors; sizes are in [0, 1] pixel units.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

# Foolbox 3's floor for the length of a gradient.
_FLOOR = 1e-12


class Norm(ABC):
    """What tells one ball from another."""

    @abstractmethod
    def size(self, perturbation: Tensor) -> Tensor:
        """The size of each image's perturbation: [B]."""

    @abstractmethod
    def direction(self, gradient: Tensor) -> Tensor:
        """The step of size 1 in which a linear function with this gradient grows fastest."""

    @abstractmethod
    def project(self, perturbation: Tensor, epsilon: Tensor) -> Tensor:
        """The perturbation scaled or clipped into the ball of size epsilon [B]."""

    @abstractmethod
    def random_start(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """A uniformly random point of the unit ball, for one image of this shape [C, H, W]."""


class Linf(Norm):
    """The largest change of any channel of any pixel."""

    def size(self, perturbation: Tensor) -> Tensor:
        return perturbation.flatten(1).abs().amax(1)

    def direction(self, gradient: Tensor) -> Tensor:
        return gradient.sign()

    def project(self, perturbation: Tensor, epsilon: Tensor) -> Tensor:
        bound = per_image(epsilon)
        return perturbation.clamp(-bound, bound)

    def random_start(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        return torch.rand(shape, generator=generator) * 2 - 1


class L2(Norm):
    """The Euclidean length of the change over all pixels and channels."""

    def size(self, perturbation: Tensor) -> Tensor:
        size: Tensor = torch.linalg.vector_norm(perturbation.flatten(1), dim=1)
        return size

    def direction(self, gradient: Tensor) -> Tensor:
        return gradient / per_image(self.size(gradient).clamp(min=_FLOOR))

    def project(self, perturbation: Tensor, epsilon: Tensor) -> Tensor:
        size = self.size(perturbation).clamp(min=_FLOOR)
        return perturbation * per_image((epsilon / size).clamp(max=1))

    def random_start(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        direction = self.direction(torch.randn(shape, generator=generator)[None])[0]
        return direction * torch.rand(1, generator=generator) ** (1 / shape.numel())


class Rms(L2):
    """The root mean square change; what Foolbox 2, the paper and the thesis call L2.

    A true L2 size is the RMS size times sqrt(C * H * W): 554.26 for 320 x 320 colour images.
    """

    def size(self, perturbation: Tensor) -> Tensor:
        return super().size(perturbation) / math.sqrt(perturbation.shape[1:].numel())


NORMS: dict[str, Norm] = {"linf": Linf(), "l2": L2(), "rms": Rms()}


def per_image(values: Tensor) -> Tensor:
    """A value an image, [B], in a shape that meets images: [B, 1, 1, 1]."""
    return values[:, None, None, None]
