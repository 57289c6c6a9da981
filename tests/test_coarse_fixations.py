"""Coarse fixations against slices and NumPy: where they look in training and in a test."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biorobust import build_model

SLIM = {"width": 4, "stem_width": 4}


def build(size=32, **options):
    """A new slim model in eval mode, in float64 so that two ways to compute agree closely."""
    torch.manual_seed(0)
    return build_model(
        "coarse_fixations", image_size=size, classes=5, **{**SLIM, **options}
    ).double()


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def published_gazes(reach):
    return [(0, 0), (-reach, reach), (reach, -reach), (-reach, -reach), (reach, reach)]


def blurred(images, radius):
    """Two plain convolutions in NumPy, zeros outside."""
    steps = np.arange(-2 * radius, 2 * radius + 1)
    taps = np.exp(-2 * (steps / radius) ** 2)
    taps /= taps.sum()

    def smooth(line):
        return np.convolve(line, taps, mode="full")[2 * radius : 2 * radius + len(line)]

    rows = np.apply_along_axis(smooth, 2, images.numpy())
    return torch.from_numpy(np.apply_along_axis(smooth, 3, rows))


def coarse_view(images, gaze, options):
    """What the network sees around a gaze, from the published lengths, at N = 32 and 64."""
    size, view = images.shape[-1], options.get("view", "cropped")
    crop = options.get("crop") or {
        ("cropped", 32): 22,
        ("cropped", 64): 44,
        ("upsampled", 32): 16,
        ("blurred", 32): 24,
        ("blurred", 64): 48,
    }.get((view, size))
    top, left = ((size - crop) // 2 + offset for offset in gaze)
    seen = images[:, :, top : top + crop, left : left + crop]
    if view == "upsampled":
        seen = torch.from_numpy(np.kron(seen.numpy(), np.ones((2, 2))))
    if view == "blurred":
        seen = blurred(seen, options.get("blur_radius", 1))
    return crop, seen


VARIANTS = [
    (32, {}, 5),
    (64, {}, 10),
    (32, {"crop": 12, "gaze": 9}, 9),
    (32, {"view": "upsampled"}, 8),
    (32, {"view": "blurred"}, 4),
    (32, {"view": "blurred", "blur_radius": 2}, 4),
    (64, {"view": "blurred"}, 8),
    (32, {"branches": 3}, 5),
]


@pytest.mark.parametrize(("size", "options", "reach"), VARIANTS)
def test_coarse_logits_are_the_mean_of_five_separate_passes(size, options, reach):
    model = build(size, **options)
    images = noise(3, 3, size, size)
    passes = []
    for gaze in published_gazes(reach):
        _, seen = coarse_view(images, gaze, options)
        passes.append(model.head(torch.cat([branch(seen) for branch in model.branches], 1)))
    assert torch.allclose(model(images), sum(passes) / 5, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(passes[1], passes[2], rtol=1e-3)


@pytest.mark.parametrize(("size", "options", "reach"), VARIANTS)
def test_coarse_training_sees_the_crop_that_the_draws_choose(size, options, reach):
    model = build(size, **options)
    images = noise(3, 3, size, size)
    crop, _ = coarse_view(images, (0, 0), options)
    places, centre = size - crop + 1, (size - crop) // 2
    draws = torch.tensor([[0.0, 1 - 2**-24], [1 / places, 1.5 / places], [0.5, 0.2]])
    corners = [(0, places - 1), (1, 1), (places // 2, int(0.2 * places))]
    logits, _, _ = model.training_outputs(images, torch.zeros(3, dtype=torch.int64), draws)
    for found, image, corner in zip(logits, images, corners, strict=True):
        gaze = tuple(place - centre for place in corner)
        _, seen = coarse_view(image[None], gaze, options)
        features = torch.cat([branch(seen) for branch in model.branches], 1)
        assert torch.allclose(found, model.head(features)[0], rtol=1e-9, atol=1e-12)


@settings(max_examples=20)
@given(crop=st.integers(1, 32))
def test_training_crops_lie_anywhere_in_the_image_equally_often(crop):
    model = build(crop=crop)
    seen = []
    model.branches[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    places = 33 - crop
    steps = (torch.arange(10 * places, dtype=torch.float64) + 0.5) / (10 * places)
    images = torch.arange(32.0).double().expand(10 * places, 3, 32, 32)  # a pixel is its column
    draws = torch.stack([1 - steps, steps], dim=1)
    model.training_outputs(images, torch.zeros(10 * places, dtype=torch.int64), draws)
    columns, counts = seen[0][:, 0, 0, 0].unique(return_counts=True)
    assert columns.tolist() == list(range(places))
    assert set(counts.tolist()) == {10}


def test_gradients_of_a_coarse_model_stay_inside_its_windows():
    model = build(crop=8, gaze=10)
    images = noise(2, 3, 32, 32).requires_grad_()
    inside = torch.zeros(32, 32, dtype=torch.bool)
    for row, column in published_gazes(10):
        inside[12 + row : 20 + row, 12 + column : 20 + column] = True
    (gradient,) = torch.autograd.grad(model(images).square().sum(), images)
    assert not gradient[..., ~inside].any()
    assert gradient[..., inside].ne(0).float().mean() > 0.95


def test_branches_have_weights_of_their_own():
    model = build(branches=4)
    first, *others = model.branches
    images = noise(1, 3, 22, 22)
    assert len(others) == 3
    assert not any(torch.equal(first(images), other(images)) for other in others)
