"""Epochs of batches over shards whose pixels say which image they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biorobust.data.batches import Batch, EpochBatches, to_pixels
from biorobust.data.counter_hash import epoch_order
from biorobust.data.shards import Shards


def numbered_shards(sizes: list[int]) -> Shards:
    """Images 8 x 8 whose pixels spell their position, and labels that do so too."""
    count = sum(sizes)
    positions = np.arange(count)
    images = np.zeros((count, 8, 8, 3), np.uint8)
    images[..., 0] = (positions // 256)[:, None, None]
    images[..., 1] = (positions % 256)[:, None, None]
    return Shards(
        ids=[f"image {position}" for position in positions],
        labels=positions * 3 + 1,
        classes=["a", "b"],
        blocks=np.split(images, np.cumsum(sizes)[:-1]),
    )


def epoch(batches: EpochBatches, number: int) -> list[Batch]:
    batches.epoch = number
    return list(batches)


def order(batches: list[Batch]) -> list[int]:
    return torch.cat([batch.positions for batch in batches]).tolist()


shard_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(shard_sizes, st.integers(2, 12), st.integers(0, 5))
def test_each_image_once_an_epoch(sizes: list[int], batch_size: int, number: int) -> None:
    batches = EpochBatches(numbered_shards(sizes), seed=1, batch_size=batch_size)
    seen = epoch(batches, number)
    assert len(seen) == len(batches)
    assert sorted(order(seen)) == list(range(sum(sizes)))


@given(shard_sizes, st.integers(2, 12))
def test_images_and_labels_are_those_of_the_positions(sizes: list[int], batch_size: int) -> None:
    for batch in EpochBatches(numbered_shards(sizes), seed=0, batch_size=batch_size):
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == (len(batch.positions), 8, 8, 3)
        assert batch.labels.dtype == batch.positions.dtype == torch.int64
        spelt = batch.images[..., 0].long() * 256 + batch.images[..., 1]
        assert torch.equal(spelt, batch.positions[:, None, None].expand_as(spelt))
        assert torch.equal(batch.labels, batch.positions * 3 + 1)


@pytest.mark.parametrize(
    ("images", "batch_size", "expected"),
    [
        (8, 4, [4, 4]),
        (10, 4, [4, 4, 2]),
        (9, 4, [4, 5]),
        (5, 4, [5]),
        (4, 4, [4]),
        (3, 4, [3]),
        (1, 4, [1]),
        (7, 2, [2, 2, 3]),
    ],
)
def test_a_lone_last_image_joins_the_batch_before(
    images: int, batch_size: int, expected: list[int]
) -> None:
    batches = EpochBatches(numbered_shards([images]), seed=0, batch_size=batch_size)
    assert [len(batch.images) for batch in batches] == expected
    assert len(batches) == len(expected)


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    batches = EpochBatches(numbered_shards([300]), seed=4, batch_size=7)
    orders = [order(epoch(batches, number)) for number in range(3)]
    assert orders == [epoch_order(4, number, 300).tolist() for number in range(3)]
    assert order(epoch(batches, 1)) == orders[1]
    other_layout = EpochBatches(numbered_shards([100, 1, 199]), seed=4, batch_size=32)
    assert order(epoch(other_layout, 1)) == orders[1]
    other_seed = EpochBatches(numbered_shards([300]), seed=5, batch_size=7)
    assert order(epoch(other_seed, 1)) != orders[1]


def test_a_batch_of_mapped_shards_may_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "00000.npy"
    np.save(file, np.zeros((4, 8, 8, 3), np.uint8))
    mapped = np.load(file, mmap_mode="r")
    shards = Shards(["a", "b", "c", "d"], np.zeros(4, np.int64), ["x"], [mapped])
    (batch,) = EpochBatches(shards, seed=0, batch_size=4)
    batch.images.add_(1)
    batch.labels.add_(1)
    assert not mapped.any() and not shards.labels.any()


def test_pixels_are_the_bytes_as_fractions() -> None:
    images = torch.arange(2 * 16 * 8 * 3).remainder(256).to(torch.uint8).view(2, 16, 8, 3)
    pixels = to_pixels(images)
    assert pixels.dtype == torch.float32 and pixels.is_contiguous()
    expected = images.numpy().astype(np.float32).transpose(0, 3, 1, 2) / np.float32(255)
    np.testing.assert_array_equal(pixels.numpy(), expected)
    assert pixels.min() == 0 and pixels.max() == 1


@given(shard_sizes, st.integers(2, 12), st.integers(2, 5), st.integers(0, 3))
def test_the_shares_of_several_devices_make_up_each_batch(
    sizes: list[int], batch_size: int, devices: int, number: int
) -> None:
    shards = numbered_shards(sizes)
    whole = epoch(EpochBatches(shards, seed=1, batch_size=batch_size), number)
    shares = [
        epoch(
            EpochBatches(shards, seed=1, batch_size=batch_size, device=device, devices=devices),
            number,
        )
        for device in range(devices)
    ]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert batch.size == len(batch.positions)
        assert {part.size for part in parts} == {batch.size}
        if batch.size < devices:
            assert all(torch.equal(part.positions, batch.positions) for part in parts)
        else:
            assert order(parts) == batch.positions.tolist()
            counts = [len(part.positions) for part in parts]
            assert min(counts) >= 1 and max(counts) - min(counts) <= 1


@given(st.integers(2, 30), st.integers(2, 12), st.data())
def test_a_pass_goes_on_where_another_stood(images: int, size: int, data: st.DataObject) -> None:
    shards = numbered_shards([images])
    whole = epoch(EpochBatches(shards, seed=1, batch_size=size), 3)
    taken = data.draw(st.integers(0, len(whole)))
    stopped = EpochBatches(shards, seed=1, batch_size=size)
    stopped.epoch = 3
    passing = iter(stopped)
    for _ in range(taken):
        next(passing)
    resumed = EpochBatches(shards, seed=1, batch_size=size)
    resumed.load_state_dict(stopped.state_dict())
    # After a last batch, what begins is the next epoch, whose number the caller sets.
    assert order(list(resumed)) == order(whole[taken % len(whole) :])
    assert order(list(resumed)) == order(whole)
