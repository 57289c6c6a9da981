"""Toy classifiers and images to attack, and a plain PGD that takes one image at a time."""

from typing import NamedTuple

import foolbox
import torch
from torch import Tensor, nn

CLASSES, SHAPE = 5, (3, 8, 8)
DIMENSIONS = 3 * 8 * 8


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(DIMENSIONS, CLASSES))


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(DIMENSIONS, 24), nn.ReLU(), nn.Linear(24, CLASSES))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        nn.BatchNorm2d(6),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, CLASSES),
    )


MODELS = {"linear": linear, "perceptron": perceptron, "convolutional": convolutional}


class Toy(NamedTuple):
    """A model in eval mode, images [N, 3, 8, 8] and labels; `wrong` marks labels that it misses."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    wrong: Tensor

    @property
    def victim(self) -> foolbox.PyTorchModel:
        return foolbox.PyTorchModel(self.model, bounds=(0, 1), device="cpu")


def make_toy(name: str, count: int = 40) -> Toy:
    """Every fifth image bears another label than the model gives it."""
    torch.manual_seed(7)
    model = MODELS[name]().eval()
    images = torch.rand(count, *SHAPE)
    with torch.no_grad():
        labels = model(images).argmax(1)
    wrong = torch.arange(count) % 5 == 0
    labels = torch.where(wrong, (labels + 1) % CLASSES, labels)
    return Toy(model, images, labels, wrong)


class Verdict(NamedTuple):
    """What became of one image: how many steps led to the returned iterate, and was it broken."""

    broken: bool
    steps: int
    iterate: Tensor


def reference_pgd(
    model: nn.Module, image: Tensor, label: int, *, norm: str, epsilon: float, steps: int = 20
) -> Verdict:
    """PGD on one image [3, 8, 8] by softmax cross-entropy, with steps of a third of epsilon.

    An image that is misclassified from the start is left alone; otherwise the first misclassified
    iterate ends it.
    """
    radius = epsilon * DIMENSIONS**0.5 if norm == "rms" else epsilon
    iterate = image.clone()
    for step in range(steps + 1):
        pixels = iterate.clone().requires_grad_()
        logits = model(pixels[None])[0]
        if logits.argmax().item() != label:
            return Verdict(step > 0, step, iterate)
        if step == steps:
            break
        (-logits.log_softmax(0)[label]).backward()
        gradient = pixels.grad
        assert gradient is not None
        if norm == "linf":
            moved = iterate + radius / 3 * gradient.sign()
            moved = torch.min(torch.max(moved, image - radius), image + radius)
        else:
            moved = iterate + radius / 3 * gradient / gradient.norm()
            length = (moved - image).norm()
            if length > radius:
                moved = image + (moved - image) * radius / length
        iterate = moved.clip(0, 1)
    return Verdict(False, steps, iterate)
