"""What cannot be attacked is refused in one line, before the first step."""

from collections.abc import Callable

import foolbox
import pytest
import torch
from torch import Tensor, nn

from biorobust.attacks import PGD
from biorobust.attacks.sanity import UnfitForAttack
from catalogue_attacks import attacked, toy_sized
from toy_attacks import make_toy


class Through(nn.Module):
    """A model whose logits go through a function; counts the images that went forward."""

    def __init__(self, model: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model = model
        self.change = change
        self.forwards = 0

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        return self.change(self.model(images))


def spoiled(logits: Tensor) -> Tensor:
    return logits.clone().index_fill(0, torch.tensor([0]), float("nan"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda logits: logits.softmax(1), "probabilities"),
        (spoiled, "not finite"),
        (lambda logits: logits + float("inf"), "not finite"),
        (lambda logits: logits[:, :, None], "expected"),
    ],
)
def test_outputs_that_are_no_logits(change: Callable[[Tensor], Tensor], match: str) -> None:
    toy = make_toy("perceptron")
    model = Through(toy.model, change).eval()
    victim = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    with pytest.raises(UnfitForAttack, match=match) as caught:
        PGD(batch_size=16)(victim, toy.images, toy.labels, epsilons=0.1)
    assert "\n" not in str(caught.value)
    assert model.forwards == 16


@pytest.mark.parametrize("label", [-1, 5])
def test_labels_that_the_model_does_not_have(label: int) -> None:
    toy = make_toy("perceptron")
    toy.labels[7] = label
    with pytest.raises(UnfitForAttack, match=r"labels go from .* 5 classes"):
        PGD()(toy.victim, toy.images, toy.labels, epsilons=0.1)


@pytest.mark.parametrize("pixel", [-0.01, 1.001, float("nan")])
def test_pixels_outside_the_range(pixel: float) -> None:
    toy = make_toy("perceptron")
    toy.images[3, 1, 2, 2] = pixel
    with pytest.raises(UnfitForAttack, match=r"pixels .* \[0, 1\]"):
        PGD()(toy.victim, toy.images, toy.labels, epsilons=0.1)


@pytest.mark.parametrize("kind", ["pgd", "square", "contrast_reduction"])
def test_nan_on_a_perturbed_image_is_no_success(kind: str) -> None:
    toy = make_toy("perceptron")

    class Fragile(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            clean = (images[:, None] == toy.images).flatten(2).all(2).any(1)
            logits: Tensor = toy.model(images)
            return torch.where(clean[:, None], logits, float("nan"))

    with pytest.raises(UnfitForAttack, match="not finite"):
        attacked(toy_sized(kind), Fragile().eval(), toy.images, toy.labels)


def test_a_tensor_may_be_one_epsilon_and_none_is_too_few() -> None:
    toy = make_toy("linear")
    found, _, success = PGD()(toy.victim, toy.images, toy.labels, epsilons=torch.tensor(0.1))
    assert found.shape == toy.images.shape and success.shape == (40,)
    with pytest.raises(ValueError, match="no epsilon"):
        PGD()(toy.victim, toy.images, toy.labels, epsilons=[])


@pytest.mark.parametrize("epsilon", [-0.1, float("inf"), float("nan")])
def test_epsilons_that_are_no_sizes(epsilon: float) -> None:
    toy = make_toy("perceptron")
    with pytest.raises(UnfitForAttack, match="epsilon"):
        PGD()(toy.victim, toy.images, toy.labels, epsilons=[0.1, epsilon])


def test_a_model_in_training_mode() -> None:
    toy = make_toy("convolutional")
    with pytest.warns(UserWarning, match="training mode"):  # Foolbox's own, when it wraps it
        victim = foolbox.PyTorchModel(toy.model.train(), bounds=(0, 1), device="cpu")
    with pytest.raises(UnfitForAttack, match="training mode"):
        PGD()(victim, toy.images, toy.labels, epsilons=0.1)
    toy.model.eval()
    toy.model[1].train()  # one layer is enough
    with pytest.raises(UnfitForAttack, match="training mode"):
        PGD()(victim, toy.images, toy.labels, epsilons=0.1)


def test_a_fit_model_passes_whatever_its_logits_sum_to() -> None:
    toy = make_toy("linear")
    shifted = Through(toy.model, lambda logits: logits - logits.mean(1, keepdim=True) + 0.2).eval()
    victim = foolbox.PyTorchModel(shifted, bounds=(0, 1), device="cpu")
    _, _, success = PGD()(victim, toy.images, toy.labels, epsilons=0.5)
    assert success.all()
