"""Sizes of windows and how far gazes go: published lengths, and what holds at every N."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.sampling.windows import (
    coarse_window,
    cortical_windows,
    farthest_gaze,
    first_pixel,
)


@pytest.mark.parametrize(
    ("size", "options", "published"),
    [
        (320, {}, (224, 48, None)),
        (320, {"view": "upsampled"}, (160, 80, None)),
        (320, {"view": "blurred"}, (240, 40, 6)),
        (32, {"crop": 24}, (24, 4, None)),
        (32, {"view": "upsampled"}, (16, 8, None)),
        (32, {"view": "blurred", "blur_radius": 2}, (24, 4, 2)),
    ],
)
def test_coarse_windows_are_the_published_ones(size, options, published):
    window = coarse_window(size, **options)
    assert (window.size, window.gaze, window.blur_radius) == published


@pytest.mark.parametrize(
    ("size", "options", "sizes", "gaze"),
    [
        (320, {}, (40, 80, 160, 240), 40),
        (320, {"freeze_widest": True}, (40, 80, 160, 320), 80),
        (320, {"radii": [6]}, (240,), 40),
        (32, {"radii": [1, 2], "view_size": 15}, (15, 30), 1),
        (32, {"radii": [1, 2], "view_size": 12}, (12, 24), 4),
    ],
)
def test_cortical_windows_are_the_published_ones(size, options, sizes, gaze):
    windows = cortical_windows(size, **options)
    assert (windows.sizes, windows.gaze) == (sizes, gaze)


def test_radii_are_the_published_ones_at_every_size():
    for size in (32, 96, 320):
        assert cortical_windows(size).radii == (1, 2, 4, 6)
        assert cortical_windows(size, freeze_widest=True).radii == (1, 2, 4, 8)


@given(eighth=st.integers(4, 128), view=st.sampled_from(["cropped", "upsampled", "blurred"]))
def test_scaled_crops_keep_their_share_and_are_even(eighth, view):
    size = 8 * eighth
    share = {"cropped": 0.7, "upsampled": 0.5, "blurred": 0.75}[view]
    window = coarse_window(size, view)
    assert window.size % 2 == 0
    assert abs(window.size - share * size) <= (1 if view == "cropped" else 0)
    # Published: the test gazes look into the very corners.
    assert window.size + 2 * window.gaze == size
    if view == "blurred":
        assert window.blur_radius == max(1, round(6 * size / 320))


@given(size=st.integers(1, 200), data=st.data())
def test_a_window_touches_the_border_at_the_farthest_gaze_and_stays_inside(size, data):
    window = data.draw(st.integers(1, size))
    start, gaze = first_pixel(size, window), farthest_gaze(size, window)
    first, last = start - gaze, start + gaze + window - 1
    assert first >= 0
    assert last <= size - 1
    assert min(first, size - 1 - last) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": "warped"}, "view is 'warped'; it must be one of cropped, upsampled, blurred"),
        ({"crop": 33}, "crop is 33; it must be a whole number from 1 to 32"),
        ({"crop": 0}, "crop is 0"),
        ({"crop": 22.0}, "crop is 22.0"),
        ({"crop": True}, "crop is True"),
        ({"crop": 24, "gaze": 5}, "gaze is 5; it must be a whole number from 0 to 4"),
        ({"gaze": -1}, "gaze is -1"),
        ({"blur_radius": 2}, "blur_radius is 2, but the view is cropped"),
        ({"view": "blurred", "blur_radius": 0}, "blur_radius is 0"),
    ],
)
def test_an_impossible_coarse_window_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        coarse_window(32, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radii": [1, 2], "view_size": 17}, r"2 x 17 pixels .* more than the image's 32"),
        ({"radii": [1, 9]}, r"9 x 4 pixels"),
        ({"radii": [2, 1]}, r"radii is \[2, 1\]; it must rise"),
        ({"radii": [1, 1]}, r"radii is \[1, 1\]"),
        ({"radii": [0, 1]}, r"radii is \[0, 1\]"),
        ({"radii": []}, r"radii is \[\]; it must be a list"),
        ({"radii": "12"}, "radii is '12'"),
        ({"radii": [1.5]}, r"radii is \[1.5\]"),
        ({"view_size": 0}, "view_size is 0"),
        ({"gaze": 5}, "gaze is 5; it must be a whole number from 0 to 4"),
        ({"radii": [2], "freeze_widest": True}, "freeze_widest leaves no scale that moves"),
        ({"freeze_widest": "yes"}, "freeze_widest is 'yes'"),
    ],
)
def test_impossible_cortical_windows_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        cortical_windows(32, **options)


def test_a_size_without_eighths_needs_a_view_size():
    with pytest.raises(ValueError, match="image_size is 36; without a view_size"):
        cortical_windows(36)
    assert cortical_windows(36, radii=[1, 3], view_size=12).sizes == (12, 36)
