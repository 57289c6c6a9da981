"""Foolbox's attacks on one block of images, without Foolbox's own verdict."""

from typing import Any

import foolbox
from foolbox.attacks.base import FixedEpsilonAttack, MinimizationAttack
from foolbox.criteria import Misclassification
from torch import Tensor, nn


def run_minimal(
    attack: MinimizationAttack, model: nn.Module, images: Tensor, labels: Tensor, **options: Any
) -> Tensor:
    """The images that a minimising attack of Foolbox returns: [n, C, H, W]."""
    found: Tensor = attack.run(_victim(model, images), images, Misclassification(labels), **options)
    return found


def run_under_budget(
    attack: FixedEpsilonAttack, model: nn.Module, images: Tensor, labels: Tensor, radius: float
) -> Tensor:
    """The images that an attack of Foolbox under one epsilon returns: [n, C, H, W]."""
    criterion = Misclassification(labels)
    found: Tensor = attack.run(_victim(model, images), images, criterion, epsilon=radius)
    return found


def _victim(model: nn.Module, images: Tensor) -> foolbox.PyTorchModel:
    return foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
