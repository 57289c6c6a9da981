"""Augmentation against PyTorch's own crop, bilinear resize and flip, image by image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import interpolate

from biorobust.data.augmentation import DRAWS_PER_IMAGE, augment, crop_sizes
from biorobust.data.counter_hash import Purpose, uniform_draws

LARGEST = 1 - 2.0**-24


def noise(count: int, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(size)
    return torch.rand(count, 3, size, size, generator=generator, dtype=dtype)


def expected(image: Tensor, draws: list[float]) -> Tensor:
    """One image [C, N, N] as the thesis has it: crop, resize with half-pixel centres, mirror."""
    size = image.shape[-1]
    sizes = {320: range(300, 320), 32: range(30, 32)}[size]
    crop = sizes[int(draws[0] * len(sizes))]
    top, left = (int(draw * (size - crop + 1)) for draw in draws[1:3])
    cut = image[None, :, top : top + crop, left : left + crop]
    resized = interpolate(cut, size=size, mode="bilinear", align_corners=False)[0]
    return resized.flip(-1) if draws[3] < 0.5 else resized


def test_published_crop_sizes() -> None:
    assert list(crop_sizes(320)) == list(range(300, 320))
    assert list(crop_sizes(32)) == [30, 31]


@pytest.mark.parametrize("size", [32, 320])
def test_every_crop_size_as_pytorch_resizes_it(size: int) -> None:
    sizes = crop_sizes(size)
    draws = uniform_draws(Purpose.AUGMENTATION, 0, 0, torch.arange(len(sizes)), DRAWS_PER_IMAGE)
    draws = draws.double()
    draws[:, 0] = (torch.arange(len(sizes)) + 0.5) / len(sizes)
    images = noise(len(sizes), size, torch.float64)
    augmented = augment(images, draws)
    assert {bool(draw < 0.5) for draw in draws[:, 3]} == {True, False}
    for image, row, result in zip(images, draws, augmented, strict=True):
        torch.testing.assert_close(result, expected(image, row.tolist()), rtol=0, atol=1e-12)


@given(
    st.lists(st.lists(st.integers(0, 2**24 - 1), min_size=4, max_size=4), min_size=1, max_size=4)
)
def test_every_draw_in_float32(whole: list[list[int]]) -> None:
    draws = torch.tensor(whole, dtype=torch.float32) * 2.0**-24
    images = noise(len(whole), 32)
    for image, row, result in zip(images, draws, augment(images, draws), strict=True):
        torch.testing.assert_close(result, expected(image, row.tolist()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [32, 320, 1024])
def test_extreme_draws_stay_inside_the_image(size: int) -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0, LARGEST])] * 4)
    for draws in corners:
        augmented = augment(noise(1, size), draws[None])
        assert augmented.shape == (1, 3, size, size)
        assert augmented.min() >= 0 and augmented.max() <= 1


def test_crops_reach_both_edges() -> None:
    size = 32
    positions = torch.arange(size, dtype=torch.float64)
    rows = positions.view(1, 1, size, 1).expand(1, 1, size, size)
    first = augment(rows, torch.tensor([[0.0, 0.0, 0.0, 0.9]], dtype=torch.float64))
    last = augment(rows, torch.tensor([[0.0, LARGEST, 0.0, 0.9]], dtype=torch.float64))
    assert first.min() == 0 and first.max() == 29
    assert last.min() == 2 and last.max() == 31


def test_mirroring_is_a_flip() -> None:
    images = noise(1, 32)
    plain, mirrored = (augment(images, torch.tensor([[0.3, 0.4, 0.6, m]])) for m in (0.5, 0.49))
    assert torch.equal(mirrored, plain.flip(-1))
    assert not torch.equal(mirrored, plain)


def test_each_image_has_its_own_draws() -> None:
    images = noise(1, 320).expand(8, -1, -1, -1)
    draws = uniform_draws(Purpose.AUGMENTATION, 0, 0, torch.arange(8), DRAWS_PER_IMAGE)
    together = augment(images, draws)
    alone = [augment(images[k : k + 1], draws[k : k + 1])[0] for k in range(8)]
    assert torch.equal(together, torch.stack(alone))
    assert len(torch.unique(together.flatten(1), dim=0)) == 8


def test_crop_sizes_are_as_likely() -> None:
    # A ramp's slope after resizing is crop / size, wherever the crop lies.
    ramp = torch.arange(32, dtype=torch.float32).view(1, 1, 1, 32).expand(1000, 1, 32, 32)
    draws = uniform_draws(Purpose.AUGMENTATION, 0, 0, torch.arange(1000), DRAWS_PER_IMAGE)
    row = augment(ramp, draws)[:, 0, 0]
    slopes = ((row[:, 20] - row[:, 10]) / 10 * 32).abs().round()
    counts = {crop: int((slopes == crop).sum()) for crop in (30, 31)}
    assert sum(counts.values()) == 1000
    # Four standard deviations of a fair coin's thousand throws.
    assert abs(counts[30] - 500) < 4 * 15.9
    assert abs(int((row[:, 20] > row[:, 10]).sum()) - 500) < 4 * 15.9


def test_a_plain_image_stays_plain() -> None:
    draws = uniform_draws(Purpose.AUGMENTATION, 0, 0, torch.arange(4), DRAWS_PER_IMAGE)
    plain = torch.full((4, 3, 32, 32), 0.3)
    assert torch.equal(augment(plain, draws), plain)
