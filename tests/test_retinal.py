"""The retinal warp against a second implementation in polar form, and published properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biorobust.sampling import retinal_warp
from biorobust.sampling.gazes import fixation_gazes, gazes_from_draws
from biorobust.sampling.retinal import INTERPOLATIONS, RetinalSampler, solve_warp
from retinas import noise

PUBLISHED = {
    320: (0.00303952, 0.49239943),
    240: (0.00407181, 0.49354717),
    224: (0.00436853, 0.49387654),
    160: (0.00616546, 0.49586641),
    128: (0.00776136, 0.49762693),
    64: (0.01607856, 0.50671075),
    32: (0.03448808, 0.52639873),
}
TO_PIXELS = {"nearest": np.rint, "truncated": np.trunc}
GAZES = [(0, 0), (-1, 1), (1, -1), (-1, -1), (1, 1)]  # in units of N / 4


def polar_warp(image, gaze, interpolation):
    """The warp of one image [C, N, N] as the formula has it, with real padding and clipping."""
    size = image.shape[-1]
    a, b = solve_warp(size)
    padded = np.pad(image, ((0, 0), (2, 3), (2, 3)))  # the extra row is the fourth neighbour's
    row, column = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    row = row - (size - 1) / 2 - gaze[0]
    column = column - (size - 1) / 2 - gaze[1]
    radius, angle = np.sqrt(row**2 + column**2), np.arctan2(column, row)
    mapped = a * radius**2 + b * radius
    source_row = np.clip(mapped * np.cos(angle) + gaze[0] + size / 2, 0, size + 2)
    source_column = np.clip(mapped * np.sin(angle) + gaze[1] + size / 2, 0, size + 2)
    if interpolation in TO_PIXELS:
        rows, columns = (TO_PIXELS[interpolation](at) for at in (source_row, source_column))
        return padded[:, rows.astype(int), columns.astype(int)]
    top, left = np.floor(source_row).astype(int), np.floor(source_column).astype(int)
    down, right = source_row - top, source_column - left
    return (
        padded[:, top, left] * (1 - down) * (1 - right)
        + padded[:, top, left + 1] * (1 - down) * right
        + padded[:, top + 1, left] * down * (1 - right)
        + padded[:, top + 1, left + 1] * down * right
    )


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_map_has_the_published_coefficients(size):
    assert [round(value, 8) for value in solve_warp(size)] == list(PUBLISHED[size])


@pytest.mark.parametrize("size", [0, 24, 100, 321])
def test_a_size_that_is_no_multiple_of_8_from_32_up_is_refused(size):
    with pytest.raises(ValueError, match=f"image_size is {size}"):
        solve_warp(size)


@pytest.mark.parametrize("interpolation", TO_PIXELS)
@pytest.mark.parametrize("size", [32, 320])
@pytest.mark.parametrize("gaze", [*GAZES, (0.13, -0.57), (-1.5, 0.021), (3, 0)])
def test_whole_pixels_read_are_those_of_the_polar_formula(size, gaze, interpolation):
    gaze = np.array(gaze) * size / 4
    images = noise(1, 2, size, size)
    views = retinal_warp(images, torch.from_numpy(gaze)[None], interpolation)
    assert np.array_equal(views[0].numpy(), polar_warp(images[0].numpy(), gaze, interpolation))


@pytest.mark.parametrize("size", [32, 320])
@pytest.mark.parametrize("gaze", [*GAZES, (0.13, -0.57), (-1.5, 0.021), (3, 0)])
def test_bilinear_follows_the_polar_formula(size, gaze):
    gaze = np.array(gaze) * size / 4
    images = noise(1, 2, size, size, dtype=torch.float64)
    expected = polar_warp(images[0].numpy(), gaze, "bilinear")
    gazes = torch.from_numpy(gaze)[None]
    exact = retinal_warp(images, gazes, "bilinear")[0].numpy()
    single = retinal_warp(images.float(), gazes.float(), "bilinear")[0].numpy()
    assert np.abs(exact - expected).max() < 1e-11
    # Half a step of an 8-bit image is 2e-3; float32 coordinates must stay far below it.
    assert np.abs(single - expected).max() < 2e-4


@settings(max_examples=40)
@given(
    size=st.sampled_from([32, 40, 72]),
    gaze=st.tuples(*[st.floats(-1, 1, allow_subnormal=False)] * 2),
    interpolation=st.sampled_from(INTERPOLATIONS),
)
def test_any_size_and_gaze_follow_the_polar_formula(size, gaze, interpolation):
    gaze = np.array(gaze) * size
    images = noise(1, 1, size, size, dtype=torch.float64)
    views = retinal_warp(images, torch.from_numpy(gaze)[None], interpolation)[0].numpy()
    different = np.abs(views - polar_warp(images[0].numpy(), gaze, interpolation)) > 1e-9
    # In the fovea's row and column the source may lie midway between two pixels; which of them
    # is the nearest is then up to the last bit of the trigonometry.
    assert different.sum() <= (2 * size if interpolation == "nearest" else 0)


def test_a_tie_rounds_to_the_even_pixel():
    # With this gaze, output pixel 16 is the fovea; it reads 16.5 in the padded image on each axis,
    # whose even neighbour 16 is pixel 14 of the image.
    images = noise(1, 1, 32, 32)
    view = retinal_warp(images, torch.tensor([[0.5, 0.5]]), "nearest")
    assert view[0, 0, 16, 16] == images[0, 0, 14, 14]


def test_a_truncated_source_is_the_pixel_before_it():
    # g(rho) = rho reads output pixel p at p + 1/2 in the padded image, which is cut off to p.
    sampler = RetinalSampler(32, "truncated")
    sampler.load_state_dict({"coefficients": torch.tensor([0.0, 1.0], dtype=torch.float64)})
    images, gaze = noise(1, 1, 32, 32), torch.tensor([[0, 0]])
    for view in (
        sampler.warp(images, gaze),
        sampler.warp_whole(images, gaze),
        sampler.warp_fixed(images, [(0, 0)]),
    ):
        assert torch.equal(view[..., 2:, 2:], images[..., :-2, :-2])
        assert (view[..., :2, :] == 0).all()
        assert (view[..., :2] == 0).all()


def shares(size, gazes):
    """Per gaze the black part of the view; the part of the image's pixels read, per gaze and by
    all gazes together."""
    ones = torch.ones(len(gazes), 1, size, size, requires_grad=True)
    views = retinal_warp(ones, torch.tensor(gazes), "nearest")
    (reads,) = torch.autograd.grad(views.sum(), ones)
    read = reads > 0
    return (
        (views == 0).float().mean((1, 2, 3)).mul(100).tolist(),
        read.float().mean((1, 2, 3)).mul(100).tolist(),
        100 * read.any(0).float().mean().item(),
    )


def test_black_and_read_parts_at_320_are_the_published_codes():
    black, read, union = shares(320, fixation_gazes(80))
    assert black[0] == pytest.approx(6.31, abs=0.005)
    assert min(black[1:]) == pytest.approx(21.6, abs=0.05)
    assert max(black[1:]) == pytest.approx(22.2, abs=0.05)
    assert read[0] == pytest.approx(79.7, abs=0.05)
    assert read[1:] == pytest.approx([66] * 4, abs=0.8)
    assert union == pytest.approx(98.9, abs=0.05)


def test_black_and_read_parts_at_32_are_the_published_codes():
    black, read, union = shares(32, fixation_gazes(8))
    assert black[0] == pytest.approx(17.9, abs=0.05)
    assert min(black[1:]) == pytest.approx(28.8, abs=0.05)
    assert max(black[1:]) == pytest.approx(31.7, abs=0.05)
    assert read[0] == pytest.approx(72.1, abs=0.05)
    assert read[1] == pytest.approx(61.0, abs=0.05)
    assert read[4] == pytest.approx(59.4, abs=0.05)
    assert union == pytest.approx(98.9, abs=0.05)


@pytest.mark.parametrize("gaze", [(0.3, -0.2), (5.21, -7.4), (-9.13, 40.0), (0.5, -3.27)])
def test_bilinear_gradients_to_pixels_and_gaze_are_the_finite_differences(gaze):
    images = noise(1, 1, 32, 32, dtype=torch.float64).requires_grad_()
    gazes = torch.tensor([gaze], dtype=torch.float64, requires_grad=True)
    # Along one random direction: the full Jacobian would take a million entries.
    direction = noise(1, 1, 32, 32, dtype=torch.float64, seed=1)

    def projection(images, gazes):
        return (retinal_warp(images, gazes, "bilinear") * direction).sum()

    assert torch.autograd.gradcheck(projection, (images, gazes), eps=1e-7, atol=1e-5)


def test_the_gradient_is_finite_where_a_pixel_is_the_fovea():
    gazes = torch.tensor([[0.5, -0.5]], requires_grad=True)
    retinal_warp(noise(1, 1, 32, 32), gazes, "bilinear").sum().backward()
    assert torch.isfinite(gazes.grad).all()


@pytest.mark.parametrize("interpolation", TO_PIXELS)
def test_each_gradient_goes_to_the_pixel_read_and_none_to_the_gaze(interpolation):
    images = noise(1, 1, 32, 32, dtype=torch.float64).requires_grad_()
    gazes = torch.tensor([[3.2, -5.0]], requires_grad=True)
    views = retinal_warp(images, gazes, interpolation)
    pulled, to_gaze = torch.autograd.grad(
        (views * views.detach()).sum(), (images, gazes), allow_unused=True
    )
    assert to_gaze is None
    # Adjoint of a selection: what arrives is the pixel's value times how often it was read.
    times = pulled / images
    assert torch.allclose(times, times.round(), atol=1e-9)
    assert round(times.sum().item()) == (views != 0).sum()


def test_each_image_is_warped_by_its_own_gaze():
    images, gazes = noise(4, 3, 32, 32), torch.tensor([[0, 0], [8, -8], [-3, 5], [7, 7]])
    views = retinal_warp(images, gazes, "nearest")
    alone = [retinal_warp(images[i : i + 1], gazes[i : i + 1], "nearest") for i in range(4)]
    assert torch.equal(views, torch.cat(alone))


@pytest.mark.parametrize(
    ("images", "gazes", "interpolation", "message"),
    [
        (torch.zeros(2, 3, 32, 32), torch.zeros(1, 2), "nearest", r"gazes are \[1, 2\]"),
        (torch.zeros(2, 3, 40, 32), torch.zeros(2, 2), "nearest", r"images are \[2, 3, 40, 32\]"),
        (torch.zeros(2, 3, 32, 32).half(), torch.zeros(2, 2), "nearest", "float16"),
        (torch.zeros(2, 3, 32, 32), torch.zeros(2, 2), "bicubic", "'bicubic'"),
        (torch.zeros(2, 3, 36, 36), torch.zeros(2, 2), "bilinear", "image_size is 36"),
    ],
)
def test_what_cannot_be_warped_is_named(images, gazes, interpolation, message):
    with pytest.raises(ValueError, match=message):
        retinal_warp(images, gazes, interpolation)


def test_test_gazes_come_in_the_published_order():
    assert fixation_gazes(80) == [(0, 0), (-80, 80), (80, -80), (-80, -80), (80, 80)]


@given(reach=st.integers(1, 512))
def test_training_gazes_span_the_reach_without_its_upper_end(reach):
    last = np.nextafter(np.float32(1), np.float32(0)).item()
    draws = torch.tensor([[0.0, last], [0.5, 0.25]])
    assert gazes_from_draws(draws, reach)[0].tolist() == [-reach, reach - 1]
    assert gazes_from_draws(draws, reach)[1].tolist() == [0, reach // 2 - reach]


def test_training_gazes_are_uniform():
    steps = torch.arange(16000, dtype=torch.float64) / 16000
    gazes = gazes_from_draws(torch.stack([steps, 1 - 1e-12 - steps], 1), 8)
    for axis in (0, 1):
        values, counts = gazes[:, axis].unique(return_counts=True)
        assert values.tolist() == list(range(-8, 8))
        assert counts.max() - counts.min() <= 2
