"""An image file -> uint8 [H, W, 3] -> the uint8 [N, N, 3] square that a model sees."""

import io
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from biorobust.errors import UserError

Resize = Literal["thesis", "short_side"]

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A PNG's transparent grey is written at the file's bit depth, but Pillow has widened the pixels.
_WIDENED_BY = {"L;2": 85, "L;4": 17}


class CorruptImage(UserError):
    """A file that is no PNG or JPEG, or one that is damaged or cut short."""


def decode(file: Path | BinaryIO) -> np.ndarray:
    """The picture in a PNG or JPEG file as uint8 [H, W, 3], RGB, upright.

    Every mode of the two formats is accepted. Transparent pixels are composited over white, 16-bit
    grey is scaled to 0..255 (rounded), colours of more than 8 bits keep their upper byte, CMYK is
    converted without a colour profile, and the EXIF orientation is applied.

    The pixels are decoded to the end, so a file that is cut short is noticed. Raises CorruptImage,
    naming the file, for damaged content and for any other format; UserError where a path cannot
    be read.
    """
    if isinstance(file, Path):
        name, content = str(file), _content(file)
    else:
        name, content = str(getattr(file, "name", "the given stream")), file.read()
    try:
        with _open(content) as image:
            image.verify()  # a PNG's checksums; afterwards the image cannot be decoded any more
        with _open(content) as image:
            rawmode = str(image.tile[0].args) if image.tile else ""
            image.load()
            return _rgb(_upright(image), rawmode)
    except MemoryError:
        raise  # says something about the machine, nothing about the file
    except Exception as error:
        # Pillow's plugins raise whatever their parsing trips over: OSError, SyntaxError,
        # ValueError, struct.error, zlib.error, IndexError and more.
        raise CorruptImage(
            f"{name} is neither an intact PNG nor an intact JPEG image{_reason(error)}; "
            "replace or remove it"
        ) from error


def _reason(error: Exception) -> str:
    """What Pillow says to people; its words for an unknown format only name a Python object."""
    readable = isinstance(error, OSError | SyntaxError | Image.DecompressionBombError)
    if not readable or isinstance(error, UnidentifiedImageError) or not str(error):
        return ""
    return f" ({str(error).splitlines()[0]})"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"image {path} cannot be read ({error.strerror}); restore it, or correct the path"
        ) from error


def _open(content: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:
        # Damaged metadata says nothing about the pixels, which have been decoded in full.
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _rgb(image: Image.Image, rawmode: str) -> np.ndarray:
    transparent: Any = image.info.get("transparency")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        grey = (wide * 255 + 32767) // 65535
        if transparent is not None:
            grey[wide == transparent] = 255
        return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        if rawmode in _WIDENED_BY:
            image.info["transparency"] = transparent * _WIDENED_BY[rawmode]
        elif rawmode == "RGB;16B":
            image.info["transparency"] = tuple(channel >> 8 for channel in transparent)
        pixels = image.convert("RGBA")
        white = Image.new("RGBA", pixels.size, "white")
        image = Image.alpha_composite(white, pixels)
    return np.array(image.convert("RGB"))


def fit(image: np.ndarray, size: int, resize: Resize = "thesis") -> np.ndarray:
    """The central square of `image` (uint8 [H, W, 3]) as uint8 [size, size, 3].

    `thesis`: an image with a side shorter than `size` is enlarged (Pillow's bilinear filter,
    aspect kept, the longer side truncated to whole pixels) until its shorter side is `size`; the
    rest of it is cut off and nothing is ever made smaller (thesis 3.1: "central cropped and (if
    necessary) bilinearly upsampled"; crop position and truncation as in its public code,
    Kappa666/Attention-against-adversaries @a2f5393, datasets.py). That code enlarges a portrait
    image with both sides too short in two steps; here it is one.

    `short_side`: the shorter side is resized to `size`, up or down (bilinear, antialiased), then
    the central square is cut out.

    Where the margin is odd, the crop starts at its half rounded to the even pixel. Raises
    ValueError for an array of another shape or type, a size below 1 or an unknown `resize`.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"expected a uint8 [H, W, 3] image, got {image.dtype} {image.shape}")
    if size < 1:
        raise ValueError(f"expected a size of at least 1 pixel, got {size}")
    if resize not in get_args(Resize):
        raise ValueError(f"expected resize to be one of {get_args(Resize)}, got {resize!r}")
    height, width = image.shape[:2]
    short = min(height, width)
    if short < size or (resize == "short_side" and short > size):
        scaled = (width * size // short, height * size // short)
        resized = Image.fromarray(image).resize(scaled, Image.Resampling.BILINEAR)
        image = np.asarray(resized)
        width, height = scaled
    # Pillow rounds the crop box of the public code in this way: half to even.
    top, left = round((height - size) / 2), round((width - size) / 2)
    return image[top : top + size, left : left + size].copy()
