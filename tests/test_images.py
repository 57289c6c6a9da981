"""Decoding against colours known beforehand, and against damage."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from biorobust.data.images import CorruptImage, decode
from biorobust.errors import UserError

RED, GREEN, BLUE, WHITE, BLACK = (
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [255, 255, 255],
    [0, 0, 0],
)


def encoded(image: Image.Image, file_format: str = "PNG", **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    stream.seek(0)
    return stream


def png(width: int, depth: int, colour_type: int, row: bytes, **chunks: bytes) -> io.BytesIO:
    """A PNG of one row, written by the specification and without Pillow."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0)
    parts = [chunk(b"IHDR", header)]
    parts += [chunk(kind.encode(), data) for kind, data in chunks.items()]
    parts += [chunk(b"IDAT", zlib.compress(b"\0" + row)), chunk(b"IEND", b"")]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def gradient(height: int, width: int) -> np.ndarray:
    """Smooth, so that JPEG keeps it within a few grey levels."""
    rows = np.linspace(0, 255, height)[:, None, None]
    columns = np.linspace(0, 255, width)[None, :, None]
    weight = np.array([1.0, 0.5, 0.0])
    return np.rint(rows * weight + columns * (1 - weight)).astype(np.uint8)


def test_rgb_png_is_exact_from_a_path_and_from_a_stream(tmp_path: Path) -> None:
    pixels = noise(7, 5)
    file = tmp_path / "noise.png"
    Image.fromarray(pixels).save(file)
    from_path = decode(file)
    with file.open("rb") as stream:
        from_stream = decode(stream)
    assert from_path.dtype == np.uint8
    assert from_path.flags.writeable
    np.testing.assert_array_equal(from_path, pixels)
    np.testing.assert_array_equal(from_stream, pixels)


def test_rgb_jpeg_is_close() -> None:
    pixels = gradient(40, 24)
    decoded = decode(encoded(Image.fromarray(pixels), "JPEG", quality=95, subsampling=0))
    assert decoded.shape == pixels.shape
    assert np.abs(decoded.astype(int) - pixels).max() <= 6


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_grey_becomes_three_equal_channels(file_format: str) -> None:
    decoded = decode(encoded(Image.new("L", (3, 2), 77), file_format))
    np.testing.assert_array_equal(decoded, np.full((2, 3, 3), 77))


def test_one_bit_becomes_black_and_white() -> None:
    decoded = decode(encoded(Image.fromarray(np.array([[True, False], [False, True]]))))
    assert decoded.tolist() == [[WHITE, BLACK], [BLACK, WHITE]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [RED, GREEN, BLUE]),
        ({"transparency": 1}, [RED, WHITE, BLUE]),
        ({"transparency": bytes([255, 0, 128])}, [RED, WHITE, [127, 127, 255]]),
    ],
)
def test_palette(options: dict[str, object], expected: list[list[int]]) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette(RED + GREEN + BLUE)
    image.putdata([0, 1, 2])
    assert decode(encoded(image, **options)).tolist() == [expected]


def test_alpha_is_composited_over_white() -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(255, 0, 0, 255), (0, 0, 0, 0), (0, 0, 0, 51)])
    assert decode(encoded(image)).tolist() == [[RED, WHITE, [204, 204, 204]]]


def test_grey_with_alpha_is_composited_over_white() -> None:
    image = Image.new("LA", (3, 1))
    image.putdata([(10, 255), (10, 0), (0, 102)])
    assert decode(encoded(image)).tolist() == [[[10] * 3, WHITE, [153] * 3]]


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    values = np.array([[0, 128, 129, 257, 0x8000, 0xFF7E, 0xFF7F, 0xFFFF]], dtype=np.uint16)
    decoded = decode(encoded(Image.fromarray(values)))
    np.testing.assert_array_equal(decoded[:, :, 0], np.rint(values / 257))
    np.testing.assert_array_equal(decoded[:, :, 1:], decoded[:, :, :1].repeat(2, axis=2))


def test_transparent_grey_at_every_bit_depth() -> None:
    """The transparent grey is given at the file's own depth: 2 of 0..3, 5 of 0..15, ..."""
    two_bit = png(4, 2, 0, bytes([0b00011011]), tRNS=struct.pack(">H", 2))
    four_bit = png(2, 4, 0, bytes([0x5A]), tRNS=struct.pack(">H", 5))
    eight_bit = png(2, 8, 0, bytes([7, 200]), tRNS=struct.pack(">H", 200))
    sixteen_bit = png(2, 16, 0, struct.pack(">2H", 514, 515), tRNS=struct.pack(">H", 515))
    assert decode(two_bit)[0, :, 0].tolist() == [0, 85, 255, 255]
    assert decode(four_bit)[0, :, 0].tolist() == [255, 0xAA]
    assert decode(eight_bit)[0, :, 0].tolist() == [7, 255]
    assert decode(sixteen_bit)[0, :, 0].tolist() == [2, 255]


def test_sixteen_bit_colour_keeps_the_upper_byte_and_its_transparent_colour() -> None:
    row = struct.pack(">6H", 0x12FF, 0x5678, 0x9ABC, 0xFFFF, 0, 0x0100)
    key = struct.pack(">3H", 0x12FF, 0x5678, 0x9ABC)
    assert decode(png(2, 16, 2, row)).tolist() == [[[0x12, 0x56, 0x9A], [255, 0, 1]]]
    assert decode(png(2, 16, 2, row, tRNS=key)).tolist() == [[WHITE, [255, 0, 1]]]


@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((0, 0, 0, 0), WHITE),
        ((0, 255, 255, 0), RED),
        ((255, 0, 0, 0), [0, 255, 255]),
        ((0, 0, 0, 255), BLACK),
    ],
)
def test_cmyk_jpeg(ink: tuple[int, ...], colour: list[int]) -> None:
    decoded = decode(encoded(Image.new("CMYK", (16, 8), ink), "JPEG", quality=95))
    assert decoded.shape == (8, 16, 3)
    assert np.abs(decoded.astype(int) - colour).max() <= 6


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [[1, 2, 3], [4, 5, 6]]),
        (2, [[3, 2, 1], [6, 5, 4]]),
        (3, [[6, 5, 4], [3, 2, 1]]),
        (4, [[4, 5, 6], [1, 2, 3]]),
        (5, [[1, 4], [2, 5], [3, 6]]),
        (6, [[4, 1], [5, 2], [6, 3]]),
        (7, [[6, 3], [5, 2], [4, 1]]),
        (8, [[3, 6], [2, 5], [1, 4]]),
        (9, [[1, 2, 3], [4, 5, 6]]),
    ],
)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_exif_orientation(orientation: int, upright: list[list[int]], file_format: str) -> None:
    """The eight ways in which EXIF 2.3 (tag 0x0112) lets row 0 and column 0 lie; 9 is invalid."""
    stored = np.kron(np.array([[1, 2, 3], [4, 5, 6]]), np.ones((8, 8), dtype=int)) * 40
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(stored.astype(np.uint8))
    decoded = decode(encoded(image, file_format, exif=exif))
    np.testing.assert_array_equal(decoded[4::8, 4::8, 0], np.array(upright) * 40)


def test_exif_orientation_of_a_transparent_palette() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette(RED + GREEN + BLUE)
    image.putdata([0, 1, 2])
    exif = Image.Exif()
    exif[0x0112] = 3
    assert decode(encoded(image, exif=exif, transparency=1)).tolist() == [[BLUE, WHITE, RED]]


def test_damaged_exif_does_not_cost_the_picture() -> None:
    damaged = b"Exif\0\0not a TIFF header at all"
    decoded = decode(encoded(Image.new("L", (8, 8), 99), "JPEG", exif=damaged))
    np.testing.assert_array_equal(decoded, np.full((8, 8, 3), 99))


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["cut.jpg", "cut.png"])
def test_truncated_file_is_named(tmp_path: Path, name: str, keep: float) -> None:
    file = tmp_path / name
    Image.fromarray(noise(64, 64)).save(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(CorruptImage, match=name):
        decode(file)


_JPEG = encoded(Image.fromarray(noise(20, 20)), "JPEG").getvalue()
_PROGRESSIVE = encoded(Image.fromarray(noise(20, 20)), "JPEG", progressive=True).getvalue()
_PNG = encoded(Image.fromarray(noise(20, 20))).getvalue()


@pytest.mark.parametrize("whole", [_JPEG, _PROGRESSIVE, _PNG], ids=["jpeg", "progressive", "png"])
def test_every_cut_is_noticed(whole: bytes) -> None:
    # A PNG ends in the checksum of its empty last chunk, which guards no content.
    for length in range(len(whole) - 4):
        with pytest.raises(CorruptImage):
            decode(io.BytesIO(whole[:length]))


@given(position=st.integers(33, len(_PNG) - 13), flip=st.integers(1, 255))
def test_a_damaged_byte_in_a_png_is_noticed(position: int, flip: int) -> None:
    damaged = bytearray(_PNG)
    damaged[position] ^= flip
    with pytest.raises(CorruptImage):
        decode(io.BytesIO(damaged))


@pytest.mark.filterwarnings("ignore")
@given(
    whole=st.sampled_from([_JPEG, _PROGRESSIVE]),
    edits=st.lists(st.tuples(st.integers(0, len(_PROGRESSIVE) - 1), st.integers(0, 255))),
)
def test_a_damaged_jpeg_decodes_or_is_refused(whole: bytes, edits: list[tuple[int, int]]) -> None:
    damaged = bytearray(whole)
    for position, value in edits:
        damaged[position % len(damaged)] = value
    # A height in the damaged header may ask for a picture of gigabytes.
    frame = max(damaged.find(b"\xff\xc0"), damaged.find(b"\xff\xc2"))
    damaged[frame + 5 : frame + 9] = b"\0\x14\0\x14"
    try:
        decoded = decode(io.BytesIO(damaged))
    except CorruptImage:
        return
    assert decoded.dtype == np.uint8
    assert decoded.ndim == 3
    assert decoded.shape[2] == 3


def test_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "picture.jpg"
    Image.new("RGB", (4, 4)).save(file, "BMP")
    with pytest.raises(CorruptImage) as caught:
        decode(file)
    told = "is neither an intact PNG nor an intact JPEG image; replace or remove it"
    assert str(caught.value) == f"{file} {told}"


@pytest.mark.parametrize("content", [b"", b"some text", _PNG[:7]])
def test_a_file_that_is_no_image_is_told_without_python_objects(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "notes.png"
    file.write_bytes(content)
    for picture, name in ((file, str(file)), (io.BytesIO(content), "the given stream")):
        with pytest.raises(CorruptImage, match=r"neither an intact PNG nor") as caught:
            decode(picture)
        assert str(caught.value).startswith(f"{name} is neither")
        assert "<" not in str(caught.value)
        assert "(" not in str(caught.value)


def test_a_damaged_image_is_told_with_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "damaged.png"
    # The pixels' checksum stands before the last chunk, which takes 12 bytes.
    file.write_bytes(_PNG[:-16] + bytes(4) + _PNG[-12:])
    with pytest.raises(CorruptImage, match=r"JPEG image \(.*checksum.*\); replace or remove it"):
        decode(file)


def test_missing_file_is_not_called_corrupt(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.png cannot be read") as caught:
        decode(tmp_path / "gone.png")
    assert not isinstance(caught.value, CorruptImage)
