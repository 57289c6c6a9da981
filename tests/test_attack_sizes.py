"""The smallest perturbations that attacks find, against what can be worked out without them."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from biorobust.attacks import build_attack
from catalogue_attacks import attacked
from toy_attacks import DIMENSIONS, make_toy

COUNT = 12


def two_classes() -> tuple[nn.Sequential, Tensor, Tensor, dict[str, Tensor]]:
    """A linear model, images around mid-grey, and their distances to its boundary by norm.

    With logits 0 and w x + b, the distance is |w x + b| over the dual norm of w.
    """
    torch.manual_seed(5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(DIMENSIONS, 2)).eval().requires_grad_(False)
    model[1].weight[0], model[1].bias[0] = 0, 0
    weights = model[1].weight[1]
    images = 0.5 + 0.6 * (torch.rand(COUNT, 3, 8, 8) - 0.5)
    model[1].bias[1] = 0.05 - weights.sum() / 2
    score = model(images)[:, 1]
    labels = (score > 0).long()
    distances = {
        "l2": score.abs() / weights.norm(),
        "linf": score.abs() / weights.abs().sum(),
    }
    return model, images, labels, distances


@pytest.mark.parametrize(
    ("kind", "options", "most"),
    [
        # An overshoot of 2 % is part of the attack.
        ("deepfool", {"norm": "l2"}, 1.03),
        ("deepfool", {"norm": "linf"}, 1.06),
        ("carlini_wagner", {"steps": 300}, 1.05),
        ("ddn", {"start_size": 0.1}, 1.05),
        ("fmn", {"norm": "l2"}, 1.02),
        ("fmn", {"norm": "linf"}, 1.05),
        # These see the class alone.
        ("hop_skip_jump", {"norm": "l2", "steps": 12}, 1.25),
        ("hop_skip_jump", {"norm": "linf", "steps": 12}, 1.6),
        ("boundary", {"steps": 3000}, 2.0),
    ],
)
def test_sizes_are_the_distances_to_a_linear_boundary(
    kind: str, options: dict[str, Any], most: float
) -> None:
    model, images, labels, distances = two_classes()
    attack = build_attack(kind, **options)
    found = attacked(attack, model, images, labels)
    assert found.broken.all()
    changes = (found.iterates - images).flatten(1)
    size = changes.norm(dim=1) if attack.norm == "l2" else changes.abs().amax(1)
    ratios = size / distances[attack.norm]
    # Nothing is nearer than the boundary, but for rounding.
    assert ratios.min() > 1 - 1e-3
    # A distance near 0 is all rounding and fixed steps.
    far = distances["l2"] > 0.05
    assert far.sum() > 6
    assert ratios[far].max() < most


def first_of_line(model: nn.Module, images: Tensor, labels: Tensor, changed: Any) -> list[int]:
    """The first step of a line of degradations that breaks each image, 0 where none does."""
    first = [0] * len(images)
    for step in range(1, 41):
        wrong = model(changed(images, step)).argmax(1) != labels
        first = [f or step * int(w) for f, w in zip(first, wrong.tolist(), strict=True)]
    return first


def blurred(images: Tensor, step: int) -> Tensor:
    width = step / 40 * 8
    return torch.from_numpy(
        np.stack([gaussian_filter(image, (0, width, width)) for image in images.numpy()])
    ).clamp(0, 1)


def greyed(images: Tensor, step: int) -> Tensor:
    return torch.lerp(images, torch.full_like(images, 0.5), step / 40)


@pytest.mark.parametrize(
    ("kind", "changed"), [("gaussian_blur", blurred), ("contrast_reduction", greyed)]
)
def test_degradations_stop_at_the_first_step_that_breaks(kind: str, changed: Any) -> None:
    toy = make_toy("convolutional")
    images, labels = toy.images[~toy.wrong], toy.labels[~toy.wrong]
    found = attacked(build_attack(kind, steps=40), toy.model, images, labels)
    first = first_of_line(toy.model, images, labels, changed)
    assert found.broken.tolist() == [step > 0 for step in first]
    assert 4 < sum(found.broken) < 32
    for place, step in enumerate(first):
        if step:
            expected = changed(images[place : place + 1], step)[0]
            torch.testing.assert_close(found.iterates[place], expected, rtol=0, atol=1e-5)


def test_single_pixel_finds_one_wherever_there_is_one() -> None:
    toy = make_toy("convolutional")
    images, labels = toy.images[~toy.wrong], toy.labels[~toy.wrong]
    possible = []
    for image, label in zip(images, labels, strict=True):
        tries = image.repeat(8 * 8 * 2, 1, 1, 1)
        for number in range(8 * 8):
            tries[2 * number, :, number // 8, number % 8] = 0
            tries[2 * number + 1, :, number // 8, number % 8] = 1
        possible.append(bool((toy.model(tries).argmax(1) != label).any()))
    found = attacked(build_attack("single_pixel"), toy.model, images, labels)
    assert found.broken.tolist() == possible
    assert 0 < sum(possible) < len(possible)
    changed = (found.iterates != images).any(1)[found.broken]
    assert (changed.sum((1, 2)) <= 1).all()
    values = found.iterates[found.broken].permute(0, 2, 3, 1)[changed]
    assert ((values == 0).all(1) | (values == 1).all(1)).all()
    few = attacked(build_attack("single_pixel", pixels=3), toy.model, images, labels)
    assert (few.steps <= 6).all() and few.broken.sum() < found.broken.sum()


def test_local_search_finds_the_pixel_that_matters() -> None:
    """The class hangs on one pixel alone; the search must come upon it, again and again."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(DIMENSIONS, 2)).eval().requires_grad_(False)
    model[1].weight.zero_()
    model[1].bias.copy_(torch.tensor([0.0, 2.4]))
    # Class 1 ends where the three channels of pixel (4, 4) sum up to 2.4.
    model[1].weight.view(2, 3, 8, 8)[1, :, 4, 4] = -1
    images = torch.rand(20, 3, 8, 8)
    above_grey = torch.linspace(0.1, 0.19, 20)
    images[:, :, 4, 4] = 0.5 + above_grey[:, None]
    labels = torch.ones(20, dtype=torch.int64)
    attack = build_attack("local_search", changed=2, distance=2)
    found = attacked(attack, model, images, labels)
    assert found.broken.all()
    times = torch.ceil(torch.log(0.3 / above_grey) / torch.tensor(1.5).log())
    expected = 0.5 + above_grey * 1.5**times
    torch.testing.assert_close(found.iterates[:, 0, 4, 4], expected)
    # It looks near to where it found something, and not everywhere.
    assert (found.iterates != images).any(1).sum((1, 2)).float().mean() < 32


def test_square_moves_to_the_corners_of_the_ball() -> None:
    toy = make_toy("convolutional")
    images = toy.images.clamp(0.2, 0.8)
    attack = build_attack("square", queries=50)
    found = attacked(attack, toy.model, images, toy.model(images).argmax(1), epsilon=0.05)
    torch.testing.assert_close(
        (found.iterates - images).abs(), torch.full_like(images, 0.05), rtol=0, atol=1e-6
    )
    assert (found.steps <= 50).all() and (found.steps < 50).any()


def test_square_uses_the_whole_l2_ball() -> None:
    toy = make_toy("convolutional")
    images = toy.images.clamp(0.4, 0.6)
    attack = build_attack("square", norm="l2", queries=50)
    found = attacked(attack, toy.model, images, toy.model(images).argmax(1), epsilon=0.3)
    sizes = (found.iterates - images).flatten(1).norm(dim=1)
    torch.testing.assert_close(sizes, torch.full_like(sizes, 0.3))


def test_fmn_gets_past_pixels_that_cannot_move() -> None:
    """On black and white images half of the gradient points out of the range."""
    toy = make_toy("convolutional")
    images = toy.images.round()
    labels = toy.model(images).argmax(1)
    sizes = {}
    for kind in ("fmn", "ddn"):
        found = attacked(build_attack(kind), toy.model, images, labels)
        assert found.broken.all(), kind
        sizes[kind] = (found.iterates - images).flatten(1).norm(dim=1).mean()
    assert sizes["fmn"] < sizes["ddn"]
