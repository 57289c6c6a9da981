"""The affine sampler against a second implementation, and by hand at and beyond the border."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biorobust.sampling.affine import affine_warp

IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def looped_warp(image, transform):
    """One channel, pixel by pixel: the four neighbours' weighted mean, 0 where one is missing."""
    size = len(image)
    view = np.zeros((size, size))
    for row, column in np.ndindex(size, size):
        x, y = -1 + 2 * column / (size - 1), -1 + 2 * row / (size - 1)
        right, down = ((np.array(transform) @ [x, y, 1] + 1) / 2) * (size - 2)
        left, top = int(np.floor(right)), int(np.floor(down))
        if left < 0 or top < 0 or left + 1 > size - 1 or top + 1 > size - 1:
            continue
        for i, j in np.ndindex(2, 2):
            weight = (1 - abs(down - top - i)) * (1 - abs(right - left - j))
            view[row, column] += weight * image[top + i, left + j]
    return view


@settings(max_examples=40)
@given(
    size=st.sampled_from([5, 8, 16]),
    transform=st.lists(st.floats(-1.5, 1.5), min_size=6, max_size=6),
)
def test_views_agree_with_a_second_implementation(size, transform):
    # Rounding may decide for either side where a source lies on the border itself.
    transform = [value + 1e-4 * (1 + place) for place, value in enumerate(transform)]
    matrix = np.reshape(transform, (2, 3))
    image = torch.rand(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    view = affine_warp(image[None, None], torch.tensor(matrix)[None])[0, 0]
    assert np.allclose(view.numpy(), looped_warp(image.numpy(), matrix), atol=1e-9)


def test_the_identity_enlarges_by_one_pixel_as_published():
    size = 33
    ramp = torch.arange(float(size)).expand(1, 1, size, size)
    view = affine_warp(ramp, torch.tensor([IDENTITY]))
    # Pixel i shows i (N - 2)/(N - 1): from 0 to N - 2 and not to N - 1.
    assert torch.allclose(view[0, 0, 7], torch.arange(size) * 31 / 32, atol=1e-5)


def test_x_is_to_the_right_and_y_downwards():
    image = torch.zeros(1, 1, 32, 32)
    image[..., 4, 20] = 1
    # The view's centre shows (x, y) = (a, b), here the one bright pixel.
    a, b = 2 * 20 / 30 - 1, 2 * 4 / 30 - 1
    view = affine_warp(image, torch.tensor([[[1e-6, 0, a], [0, 1e-6, b]]]))
    assert view.min() == pytest.approx(1, abs=1e-4)


def test_outside_is_exactly_zero_without_fading():
    size = 32
    image = torch.ones(1, 1, size, size)
    # x runs over 1.5 times the image: pixels ((1.5 x + 1)/2) 30 for the columns' x.
    view = affine_warp(image, torch.tensor([[[1.5, 0, 0], [0, 1, 0]]]))[0, 0]
    source = (1.5 * torch.linspace(-1, 1, size) + 1) / 2 * (size - 2)
    inside = (source >= 0) & (source < size - 1)
    assert 0 < inside.sum() < size
    assert torch.equal(view[5] == 0, ~inside)
    assert torch.allclose(view[5][inside], torch.ones(int(inside.sum())))


def test_gradients_to_images_and_transforms_are_finite_differences():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=generator, requires_grad=True)
    noise = torch.rand(2, 2, 3, dtype=torch.float64, generator=generator)
    transforms = (torch.tensor([IDENTITY]) * 0.7 + 0.3 * noise).requires_grad_(True)
    assert torch.autograd.gradcheck(affine_warp, (images, transforms), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize(
    ("images", "transforms", "message"),
    [
        (torch.zeros(1, 3, 8, 9), torch.zeros(1, 2, 3), r"expected \[B, C, N, N\]"),
        (torch.zeros(2, 3, 8, 8), torch.zeros(1, 2, 3), r"expected \[2, 2, 3\]"),
        (torch.zeros(1, 3, 8, 8).half(), torch.zeros(1, 2, 3), "float16"),
    ],
)
def test_other_shapes_and_types_are_refused(images, transforms, message):
    with pytest.raises(ValueError, match=message):
        affine_warp(images, transforms)
