"""Square windows of an image around a gaze: how large, and how far a gaze may go.

All in whole pixels and without torch, so that a config is checked by the arithmetic that the models
use. N is the side of the image. A window of `size` pixels around gaze (row, column) begins, along
each axis, at pixel N // 2 - size // 2 + gaze.

Source: Vuyyuru et al. 2020 and their public code (github.com/mvuyyuru/adversary @ d45b6ac,
model_backbone.py and glimpse.py), which give every length in pixels at N = 320 or 32. In all of
their variants the test gazes go as far as the widest moving window stays in the image; that rule
gives the farthest gaze here, at any N.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

_CROP_SHARES = {
    "cropped": Fraction(224, 320),
    "upsampled": Fraction(160, 320),
    "blurred": Fraction(240, 320),
}
_BLUR_SHARE = Fraction(6, 320)

_CORTICAL_RADII = (1, 2, 4, 6)
_RADII_WITH_FROZEN_WIDEST = (1, 2, 4, 8)


def whole_number(name: str, value: object, least: int, most: int) -> int:
    """The value, if it is a whole number from `least` to `most`; else raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; it must be a whole number from {least} to {most}")
    return value


def first_pixel(image_size: int, size: int) -> int:
    """Where, along each axis, a window around the image centre begins."""
    return image_size // 2 - size // 2


def farthest_gaze(image_size: int, size: int) -> int:
    """How far a gaze may go either way along an axis with its window inside the image."""
    return (image_size - size) // 2


def _gaze(gaze: int | None, image_size: int, size: int) -> int:
    most = farthest_gaze(image_size, size)
    return most if gaze is None else whole_number("gaze", gaze, 0, most)


@dataclass(frozen=True)
class CoarseWindow:
    """The crop of a coarse fixation, in pixels.

    size: the crop's side; gaze: how far the test gazes go; blur_radius: that of the Gaussian
    filter, None where the crop is not blurred.
    """

    size: int
    gaze: int
    blur_radius: int | None


def coarse_window(
    image_size: int,
    view: str = "cropped",
    crop: int | None = None,
    gaze: int | None = None,
    blur_radius: int | None = None,
) -> CoarseWindow:
    """The crop that options in pixels ask for; None is the published one, scaled to N.

    The published sides are 7/10 ("cropped"), 1/2 ("upsampled") and 3/4 ("blurred") of N. The last
    two are whole numbers at every multiple of 8; 7 N / 10 is rounded to the nearest even number
    (224 at N = 320, 22 at 32). The published radius 6 of the filter at N = 320 is rounded, and 1
    at least. Raises ValueError for an unknown view and for lengths that do not fit.
    """
    if view not in _CROP_SHARES:
        raise ValueError(f"view is {view!r}; it must be one of {', '.join(_CROP_SHARES)}")
    if crop is None:
        size = 2 * round(_CROP_SHARES[view] * image_size / 2)
    else:
        size = whole_number("crop", crop, 1, image_size)
    if view != "blurred" and blur_radius is not None:
        raise ValueError(f"blur_radius is {blur_radius}, but the view is {view}, not blurred")
    radius = None
    if view == "blurred":
        scaled = max(1, round(_BLUR_SHARE * image_size))
        given = scaled if blur_radius is None else blur_radius
        radius = whole_number("blur_radius", given, 1, image_size)
    return CoarseWindow(size, _gaze(gaze, image_size, size), radius)


@dataclass(frozen=True)
class CorticalWindows:
    """The scales of a cortical fixation, from sharp and narrow to blurred and wide, in pixels.

    Scale s is a window of `sizes[s]` = radii[s] * view_size pixels, filtered with radius radii[s]
    and sampled at every radii[s]-th pixel: so each scale is seen in view_size x view_size pixels.
    gaze: how far the gazes go; freeze_widest: the last window always lies around the image centre.
    """

    image_size: int
    radii: tuple[int, ...]
    view_size: int
    gaze: int
    freeze_widest: bool

    @property
    def sizes(self) -> tuple[int, ...]:
        """The side of each scale's window."""
        return tuple(radius * self.view_size for radius in self.radii)


def cortical_windows(
    image_size: int,
    *,
    radii: Sequence[int] | None = None,
    view_size: int | None = None,
    gaze: int | None = None,
    freeze_widest: bool = False,
) -> CorticalWindows:
    """The scales that options in pixels ask for; None is what was published.

    Published for ImageNet: view_size N / 8, which is whole for every multiple of 8, and radii 1,
    2, 4, 6 (windows of 40, 80, 160 and 240 pixels at N = 320), or 1, 2, 4, 8 with the widest
    frozen. Radii do not grow with N, since windows and views both do: nothing is rounded.
    For CIFAR-10 (N = 32): radii (1, 2) with view_size 15 or 12, windows of 15 and 30 or 12 and 24.
    A single radius is a single scale. Raises ValueError where radii do not rise, a window is wider
    than the image, a gaze takes one out of it or, where none may be rounded, N is no multiple of 8.
    """
    if not isinstance(freeze_widest, bool):
        raise ValueError(f"freeze_widest is {freeze_widest!r}; it must be True or False")
    if radii is None:
        radii = _RADII_WITH_FROZEN_WIDEST if freeze_widest else _CORTICAL_RADII
    chosen = _rising(radii)
    if freeze_widest and len(chosen) < 2:
        raise ValueError("freeze_widest leaves no scale that moves; give two radii or more")
    if view_size is None:
        if image_size < 8 or image_size % 8:
            raise ValueError(f"image_size is {image_size}; without a view_size, it must be 8 n")
        view_size = image_size // 8
    whole_number("view_size", view_size, 1, image_size)
    if chosen[-1] * view_size > image_size:
        raise ValueError(
            f"the widest scale takes {chosen[-1]} x {view_size} pixels (radii x view_size), more "
            f"than the image's {image_size}; make one of them smaller"
        )
    widest = (chosen[-2] if freeze_widest else chosen[-1]) * view_size
    return CorticalWindows(
        image_size, chosen, view_size, _gaze(gaze, image_size, widest), freeze_widest
    )


def _rising(radii: Sequence[int]) -> tuple[int, ...]:
    known = isinstance(radii, list | tuple) and bool(radii)
    if not known or not all(isinstance(r, int) and not isinstance(r, bool) for r in radii):
        raise ValueError(f"radii is {radii!r}; it must be a list of whole numbers")
    if radii[0] < 1 or any(before >= after for before, after in pairwise(radii)):
        raise ValueError(f"radii is {list(radii)}; it must rise, from 1 up")
    return tuple(radii)
