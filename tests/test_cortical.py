"""Crops and cortical scales against slices, SciPy's filter and the closed form of the taps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from biorobust.sampling import cortical_scales
from biorobust.sampling.cortical import cortical_views_fixed
from biorobust.sampling.crops import crop_at_gazes, crop_bilinear, crop_fixed
from biorobust.sampling.gaussian import gaussian_filter
from biorobust.sampling.gazes import fixation_gazes
from biorobust.sampling.windows import cortical_windows


def noise(*shape, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def window(image, gaze, size):
    """The pixels of one image [C, N, N] whose middle one (of two, the later) is at the gaze."""
    top, left = (image.shape[-1] // 2 + offset - size // 2 for offset in gaze)
    assert min(top, left) >= 0
    assert max(top, left) + size <= image.shape[-1]
    return image[:, top : top + size, left : left + size]


def filtered(image, radius, stride):
    """SciPy's filter of one image [C, h, h], black outside, then every stride-th pixel."""
    planes = [
        ndimage.gaussian_filter(plane, sigma=radius / 2, mode="constant", cval=0, truncate=4)
        for plane in image.numpy()
    ]
    return np.stack(planes)[:, stride // 2 :: stride, stride // 2 :: stride]


@settings(max_examples=50)
@given(size=st.integers(1, 20), data=st.data())
def test_each_image_is_cropped_around_its_own_gaze(size, data):
    crop = data.draw(st.integers(1, size))
    start = size // 2 - crop // 2
    gazes = data.draw(
        st.lists(st.tuples(*[st.integers(-start, size - crop - start)] * 2), min_size=1, max_size=4)
    )
    images = noise(len(gazes), 2, size, size)
    crops = crop_at_gazes(images, torch.tensor(gazes), crop)
    for found, image, gaze in zip(crops, images, gazes, strict=True):
        assert torch.equal(found, window(image, gaze, crop))
    folded = crop_fixed(images, gazes, crop)
    expected = [window(image, gaze, crop) for gaze in gazes for image in images]
    assert torch.equal(folded, torch.stack(expected))


@pytest.mark.parametrize("gaze", [(-6, 5), (0, 0), (3, -2)])
def test_gradients_go_to_the_pixels_of_the_window_alone(gaze):
    images = noise(1, 3, 32, 32).requires_grad_()
    inside = torch.zeros(1, 3, 32, 32)
    top, left = 6 + gaze[0], 6 + gaze[1]
    inside[:, :, top : top + 20, left : left + 20] = 1
    for crops in (crop_at_gazes(images, torch.tensor([gaze]), 20), crop_fixed(images, [gaze], 20)):
        (gradient,) = torch.autograd.grad(crops.sum(), images)
        assert torch.equal(gradient.float(), inside)


def test_a_window_out_of_the_image_is_named_with_what_would_fit():
    images = noise(3, 1, 32, 32)
    message = r"gaze \(0, 7\) takes a window of 21 pixels out of the image of 32; .* from -6 to 5"
    with pytest.raises(ValueError, match=message):
        crop_at_gazes(images, torch.tensor([[0, 0], [0, 7], [9, 9]]), 21)
    with pytest.raises(ValueError, match=message):
        crop_fixed(images, [(0, 0), (0, 7)], 21)
    with pytest.raises(ValueError, match="a window of 33 pixels is larger than the image, 32"):
        crop_at_gazes(images, torch.zeros(3, 2, dtype=torch.int64), 33)
    crop_at_gazes(images, torch.tensor([[-6, 5]] * 3), 21)


def test_windows_between_pixels_are_weighted_means_of_windows_at_pixels():
    images = noise(2, 3, 32, 32)
    whole, next_row, next_column, both = (
        crop_at_gazes(images, torch.tensor([[-4 + i, 2 + j], [0 + i, -3 + j]]), 16)
        for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))
    )
    gazes = torch.tensor([[-3.75, 2.5], [0.25, -2.5]], dtype=torch.float64)
    expected = (0.75 * (whole + next_column) + 0.25 * (next_row + both)) / 2
    assert torch.allclose(crop_bilinear(images, gazes, 16), expected, atol=1e-10)
    at_pixels = torch.tensor([[-4.0, 2.0], [0.0, -3.0]], dtype=torch.float64)
    assert torch.allclose(crop_bilinear(images, at_pixels, 16), whole, atol=1e-10)


def test_cortical_scales_are_differentiable_in_gazes_between_pixels():
    images = noise(1, 1, 32, 32).requires_grad_()
    gazes = torch.tensor([[1.3, -2.6]], dtype=torch.float64, requires_grad=True)
    scales = cortical_scales(images, gazes)
    assert [scale.shape for scale in scales] == [(1, 1, 4, 4)] * 4
    assert torch.autograd.gradcheck(
        lambda look: torch.cat(cortical_scales(images.detach(), look)), (gazes,), eps=1e-7
    )
    whole = cortical_scales(images, torch.tensor([[1, -3]]))
    floats = cortical_scales(images, torch.tensor([[1.0, -3.0]], dtype=torch.float64))
    assert all(torch.allclose(a, b) for a, b in zip(whole, floats, strict=True))


def test_windows_at_gazes_that_are_floats_are_black_outside_the_image():
    window = crop_bilinear(torch.ones(1, 1, 32, 32), torch.tensor([[-20.0, 0.0]]), 16)[0, 0]
    # It begins 12 pixels above the image.
    expected = (torch.arange(16) >= 12).float()[:, None].expand(16, 16)
    assert torch.allclose(window, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 3, 32, 40)])
def test_what_cannot_be_cropped_bilinearly_is_named(shape):
    with pytest.raises(ValueError, match=r"expected \[B, C, N, N\]"):
        crop_bilinear(torch.zeros(shape), torch.zeros(1, 2), 8)
    with pytest.raises(ValueError, match=r"gazes are \[1, 2\]; expected \[2, 2\]"):
        crop_bilinear(torch.zeros(2, 3, 32, 32), torch.zeros(1, 2), 8)


@pytest.mark.parametrize(
    ("images", "gazes", "message"),
    [
        (noise(3, 32, 32), torch.zeros(3, 2), r"images are \[3, 32, 32\]; expected \[B, C, N, N\]"),
        (noise(1, 3, 32, 40), torch.zeros(1, 2), r"images are \[1, 3, 32, 40\]"),
        (noise(2, 3, 32, 32), torch.zeros(1, 2).long(), r"gazes are \[1, 2\]; expected \[2, 2\]"),
        (noise(1, 3, 32, 32), torch.zeros(1, 2), "gazes are torch.float32; expected whole pixels"),
    ],
)
def test_what_cannot_be_cropped_is_named(images, gazes, message):
    with pytest.raises(ValueError, match=message):
        crop_at_gazes(images, gazes, 8)


@pytest.mark.parametrize("radius", [1, 2, 4, 6, 8])
def test_the_taps_are_those_of_a_gaussian_of_half_the_radius_cut_at_four_deviations(radius):
    size = 8 * radius + 3
    impulse = torch.zeros(1, 1, size, size, dtype=torch.float64)
    impulse[..., size // 2, size // 2] = 1
    response = gaussian_filter(impulse, radius)[0, 0]
    steps = np.arange(-2 * radius, 2 * radius + 1)
    taps = np.exp(-(steps**2) / (2 * (radius / 2) ** 2))
    assert len(taps) == 4 * radius + 1
    expected = np.zeros(size)
    expected[size // 2 + steps] = taps / taps.sum()
    assert np.allclose(response, np.outer(expected, expected), rtol=0, atol=1e-16)
    assert (response > 0).sum() == (4 * radius + 1) ** 2


@settings(max_examples=40)
@given(length=st.integers(1, 40), radius=st.integers(1, 9), stride=st.integers(1, 9))
def test_the_filter_is_scipys_with_zeros_outside(length, radius, stride):
    images = noise(2, 2, length, length)
    views = gaussian_filter(images, radius, stride)
    for view, image in zip(views, images, strict=True):
        assert np.allclose(view, filtered(image, radius, stride), rtol=0, atol=1e-13)


def test_filtering_first_in_inference_mode_still_serves_gradients():
    with torch.inference_mode():
        gaussian_filter(noise(1, 1, 13, 13, dtype=torch.float32), 3)
    images = noise(1, 1, 13, 13, dtype=torch.float32).requires_grad_()
    gaussian_filter(images, 3).sum().backward()
    assert images.grad.min() > 0


@pytest.mark.parametrize("size", [32, 40, 320])
def test_four_scales_are_the_published_ones(size):
    images, reach = noise(3, 3, size, size), size // 8
    gazes = [(-reach, reach), (1, -2), (reach, reach)]
    views = cortical_scales(images, torch.tensor(gazes))
    assert [tuple(view.shape) for view in views] == [(3, 3, reach, reach)] * 4
    for view, radius in zip(views, (1, 2, 4, 6), strict=True):
        for found, image, gaze in zip(view, images, gazes, strict=True):
            crop = window(image, gaze, radius * size // 8)
            assert np.allclose(found, filtered(crop, radius, radius), rtol=0, atol=1e-13)


def test_scales_in_single_precision_are_exact_enough():
    images, gazes = noise(2, 3, 320, 320), torch.tensor([[40, -40], [0, 13]])
    for single, double in zip(
        cortical_scales(images.float(), gazes), cortical_scales(images, gazes), strict=True
    ):
        assert single.dtype == torch.float32
        assert (single - double).abs().max() < 1e-6


@pytest.mark.parametrize(("view_size", "gaze"), [(15, (-1, 1)), (12, (-4, 4))])
def test_two_scales_are_those_of_the_published_cifar_models(view_size, gaze):
    (image,) = images = noise(1, 3, 32, 32)
    views = cortical_scales(images, torch.tensor([gaze]), radii=[1, 2], view_size=view_size)
    for view, radius in zip(views, (1, 2), strict=True):
        expected = filtered(window(image, gaze, radius * view_size), radius, radius)
        assert expected.shape == (3, view_size, view_size)
        assert np.allclose(view[0], expected, rtol=0, atol=1e-13)


def test_a_frozen_widest_scale_stays_at_the_centre():
    images = noise(2, 3, 32, 32)
    gazes = torch.tensor([[8, -8], [0, 0]])
    moved = cortical_scales(images, gazes, freeze_widest=True)
    centred = cortical_scales(images, torch.zeros_like(gazes), freeze_widest=True)
    same = [torch.equal(one, other) for one, other in zip(moved, centred, strict=True)]
    assert same == [False, False, False, True]
    assert np.allclose(moved[3][0], filtered(images[0], 8, 8), rtol=0, atol=1e-13)


@pytest.mark.parametrize("freeze_widest", [False, True])
def test_fixed_gazes_give_the_views_of_each_gaze_in_turn(freeze_widest):
    images = noise(3, 3, 64, 64)
    windows = cortical_windows(64, freeze_widest=freeze_widest)
    gazes = fixation_gazes(windows.gaze)
    each = [
        cortical_scales(images, torch.tensor([gaze] * 3), freeze_widest=freeze_widest)
        for gaze in gazes
    ]
    folded = cortical_views_fixed(images, gazes, windows)
    for scale, view in enumerate(folded):
        expected = torch.cat([views[scale] for views in each])
        assert torch.allclose(view, expected, rtol=0, atol=1e-14)


def test_each_scale_pulls_on_the_pixels_of_its_window_alone():
    images = noise(1, 1, 64, 64).requires_grad_()
    for view, size in zip(
        cortical_scales(images, torch.tensor([[8, -8]])), (8, 16, 32, 48), strict=True
    ):
        (gradient,) = torch.autograd.grad(view.sum(), images)
        inside = torch.zeros(64, 64, dtype=torch.bool)
        top, left = 32 + 8 - size // 2, 32 - 8 - size // 2
        inside[top : top + size, left : left + size] = True
        assert torch.equal(gradient[0, 0] > 0, inside)
        assert not gradient[0, 0][~inside].any()


def test_a_gaze_that_takes_the_widest_scale_out_of_the_image_is_refused():
    images = noise(1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"gaze \(5, 0\) .* 24 pixels .* from -4 to 4"):
        cortical_scales(images, torch.tensor([[5, 0]]))
    cortical_scales(images, torch.tensor([[5, 0]]), freeze_widest=True)
