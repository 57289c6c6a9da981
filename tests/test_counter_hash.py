"""Counter-based draws against the same hash in plain Python integers, and against chance."""

from collections import Counter
from functools import reduce

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from biorobust.data.counter_hash import Purpose, epoch_order, hash_keys, uniform_draws

WORD = 2**64
IMAGES = torch.arange(2000)

seeds = st.integers(0, 2**31 - 1)
epochs = st.integers(0, 10**6)
purposes = st.sampled_from(Purpose)
words = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5)


class SplitMix64:
    """Vigna's public-domain generator (prng.di.unimi.it/splitmix64.c), in plain integers."""

    def __init__(self, seed: int) -> None:
        self.state = seed % WORD

    def next(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) % WORD
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
        return z ^ (z >> 31)


def expected_hash(*parts: int) -> int:
    return reduce(lambda state, part: SplitMix64(state ^ (part % WORD)).next(), parts, 0)


def chi_square_p(counts: np.ndarray) -> float:
    """The chance of counts at least this uneven, if each cell is equally likely."""
    mean = counts.mean()
    return float(chi2.sf(((counts - mean) ** 2 / mean).sum(), counts.size - 1))


def test_the_second_implementation_gives_the_published_numbers() -> None:
    generator = SplitMix64(1234567)
    assert [generator.next() for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(purposes, seeds, epochs, words, words)
def test_hashes_are_the_plain_integers_ones(
    purpose: Purpose, seed: int, epoch: int, images: list[int], counters: list[int]
) -> None:
    hashes = hash_keys(purpose, seed, epoch, torch.tensor(images), torch.tensor(counters))
    assert [[value % WORD for value in row] for row in hashes.tolist()] == [
        [expected_hash(purpose, seed, epoch, image, counter) for counter in counters]
        for image in images
    ]


@given(purposes, seeds, epochs, st.integers(1, 4))
def test_draws_are_the_upper_24_bits(purpose: Purpose, seed: int, epoch: int, count: int) -> None:
    draws = uniform_draws(purpose, seed, epoch, IMAGES[:7], count)
    assert draws.dtype == torch.float32
    assert draws.tolist() == [
        [(expected_hash(purpose, seed, epoch, image, k) >> 40) / 2**24 for k in range(count)]
        for image in range(7)
    ]


def test_draws_never_reach_one() -> None:
    draws = uniform_draws(Purpose.MODEL, 0, 0, torch.arange(1 << 20), 2)
    assert 0 <= draws.min() < 1e-5
    assert 1 - 1e-5 < draws.max() < 1


@given(st.permutations(range(20)), st.integers(1, 19), st.integers(1, 3))
def test_batches_and_order_change_nothing(order: list[int], cut: int, count: int) -> None:
    images = torch.tensor(order)
    whole = uniform_draws(Purpose.AUGMENTATION, 3, 5, torch.arange(20), 3)
    parts = [
        uniform_draws(Purpose.AUGMENTATION, 3, 5, part, count)
        for part in images.tensor_split([cut])
    ]
    assert torch.equal(torch.cat(parts), whole[images, :count])


def test_torchs_generator_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = uniform_draws(Purpose.MODEL, 0, 0, IMAGES, 2), epoch_order(0, 0, 100)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = uniform_draws(Purpose.MODEL, 0, 0, IMAGES, 2), epoch_order(0, 0, 100)
    assert all(map(torch.equal, first, again))


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_draws_are_uniform(seed: int) -> None:
    cells = 50
    draws = uniform_draws(Purpose.AUGMENTATION, seed, 0, torch.arange(50_000), 4).double()
    for column in draws.T:
        counts = np.bincount((column * cells).long().numpy(), minlength=cells)
        assert chi_square_p(counts) > 1e-4
    # 2e5 uniform numbers: the mean's standard error is 1 / sqrt(12 n), 6.5e-4.
    assert abs(float(draws.mean()) - 1 / 2) < 4 * 6.5e-4
    assert float(draws.var()) == pytest.approx(1 / 12, rel=0.01)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((Purpose.AUGMENTATION, 0, 0), (Purpose.MODEL, 0, 0)),
        ((Purpose.MODEL, 0, 0), (Purpose.MODEL, 1, 0)),
        ((Purpose.MODEL, 0, 0), (Purpose.MODEL, 0, 1)),
        ((Purpose.MODEL, 0, 1), (Purpose.MODEL, 1, 0)),
    ],
)
def test_streams_are_independent(
    first: tuple[Purpose, int, int], second: tuple[Purpose, int, int]
) -> None:
    x, y = (uniform_draws(*key, IMAGES, 2) for key in (first, second))
    pairs = ((x[:, 0] * 10).long() * 10 + (y[:, 0] * 10).long()).numpy()
    assert chi_square_p(np.bincount(pairs, minlength=100)) > 1e-4
    assert abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]) < 4 / len(IMAGES) ** 0.5


def test_neighbouring_images_are_independent() -> None:
    draws = uniform_draws(Purpose.MODEL, 0, 0, torch.arange(100_000), 1)[:, 0]
    pairs = ((draws[:-1] * 10).long() * 10 + (draws[1:] * 10).long()).numpy()
    assert chi_square_p(np.bincount(pairs, minlength=100)) > 1e-4


@given(seeds, epochs, st.integers(0, 200))
def test_an_epochs_order_is_a_permutation(seed: int, epoch: int, count: int) -> None:
    order = epoch_order(seed, epoch, count)
    assert order.dtype == torch.int64
    assert sorted(order.tolist()) == list(range(count))
    assert torch.equal(order, epoch_order(seed, epoch, count))


def test_the_order_sorts_images_by_their_hash() -> None:
    def signed_hash(image: int) -> int:
        return (expected_hash(Purpose.ORDER, 7, 3, image, 0) + WORD // 2) % WORD - WORD // 2

    assert epoch_order(7, 3, 50).tolist() == sorted(range(50), key=signed_hash)


@settings(max_examples=30)
@given(seeds, epochs)
def test_the_order_depends_on_seed_and_epoch(seed: int, epoch: int) -> None:
    orders = [
        epoch_order(*key, 50).tolist()
        for key in ((seed, epoch), (seed, epoch + 1), (seed + 1, epoch))
    ]
    assert len({tuple(order) for order in orders}) == 3


def test_every_order_of_three_images_is_as_likely() -> None:
    orders = Counter(tuple(epoch_order(0, epoch, 3).tolist()) for epoch in range(3000))
    assert len(orders) == 6
    assert chi_square_p(np.array(list(orders.values()))) > 1e-4
