"""Cropping and resizing against Pillow's own crop and closed formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from biorobust.data.images import fit


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def central(image: np.ndarray, size: int) -> np.ndarray:
    """The central square by Pillow's own crop, whose box may lie on half pixels."""
    height, width = image.shape[:2]
    left, top = width / 2 - size / 2, height / 2 - size / 2
    return np.asarray(Image.fromarray(image).crop((left, top, left + size, top + size)))


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    size=st.integers(1, 30),
    resize=st.sampled_from(["thesis", "short_side"]),
)
def test_fit_always_gives_the_square(height: int, width: int, size: int, resize: str) -> None:
    fitted = fit(noise(height, width), size, resize)
    assert fitted.shape == (size, size, 3)
    assert fitted.dtype == np.uint8


@given(extra_height=st.integers(0, 21), extra_width=st.integers(0, 21), half=st.integers(1, 10))
def test_thesis_fit_only_crops_where_both_sides_suffice(
    extra_height: int, extra_width: int, half: int
) -> None:
    size = 2 * half
    image = noise(size + extra_height, size + extra_width)
    np.testing.assert_array_equal(fit(image, size), central(image, size))


@pytest.mark.parametrize(
    ("shape", "enlarged"),
    [
        ((30, 100), (32, 106)),  # 100 x 32 / 30 = 106.67, truncated
        ((100, 30), (106, 32)),
        ((20, 31), (32, 49)),  # both sides too short: 49.6
        ((31, 20), (49, 32)),
        ((8, 8), (32, 32)),
    ],
)
def test_thesis_fit_enlarges_until_the_short_side_suffices(
    shape: tuple[int, int], enlarged: tuple[int, int]
) -> None:
    image = noise(*shape)
    height, width = enlarged
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(fit(image, 32), central(np.asarray(resized), 32))


@settings(max_examples=30)
@given(height=st.integers(1, 60), width=st.integers(1, 60), factor=st.sampled_from([2, 3, 5]))
def test_fit_keeps_a_flat_colour(height: int, width: int, factor: int) -> None:
    image = np.broadcast_to(np.array([3, 130, 250], np.uint8), (height, width, 3)).copy()
    for resize in ("thesis", "short_side"):
        fitted = fit(image, 8 * factor, resize)
        assert np.unique(fitted.reshape(-1, 3), axis=0).tolist() == [[3, 130, 250]]


def test_short_side_shrinks_the_whole_short_side_with_antialiasing() -> None:
    """A checkerboard of single pixels averages to grey; sampling points would keep the extremes."""
    board = (np.indices((96, 160)).sum(axis=0) % 2 * 255).astype(np.uint8)
    fitted = fit(np.repeat(board[:, :, None], 3, axis=2), 32, "short_side")
    assert np.abs(fitted[2:-2, 2:-2].astype(int) - 127.5).max() < 10


def test_short_side_keeps_the_geometry() -> None:
    """A ramp over the width, halved: the centre N columns of W/2, and all rows."""
    ramp = np.broadcast_to(np.arange(0, 240, 2, dtype=np.uint8)[None, :, None], (64, 120, 3)).copy()
    fitted = fit(ramp, 32, "short_side")
    # Column j of the result is centred between source columns 2(j + 14) and the next one,
    # whose values are 4(j + 14) and 2 more.
    expected = 4 * (np.arange(32) + 14) + 1
    np.testing.assert_array_equal(fitted[:, :, 1], np.broadcast_to(expected, (32, 32)))
    np.testing.assert_array_equal(fit(ramp.swapaxes(0, 1), 32, "short_side"), fitted.swapaxes(0, 1))


def test_short_side_that_fits_already_is_untouched() -> None:
    image = noise(32, 50)
    np.testing.assert_array_equal(fit(image, 32, "short_side"), image[:, 9:41])


def test_fit_gives_a_copy() -> None:
    image = noise(10, 10)
    fit(image, 8)[:] = 0
    np.testing.assert_array_equal(image, noise(10, 10))


@pytest.mark.parametrize(
    ("image", "size", "resize"),
    [
        (np.zeros((8, 8), np.uint8), 4, "thesis"),
        (np.zeros((8, 8, 3), np.float32), 4, "thesis"),
        (np.zeros((0, 8, 3), np.uint8), 4, "thesis"),
        (np.zeros((8, 8, 3), np.uint8), 0, "thesis"),
        (np.zeros((8, 8, 3), np.uint8), 4, "stretch"),
    ],
)
def test_fit_refuses_what_it_cannot_mean(image: np.ndarray, size: int, resize: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        fit(image, size, resize)
