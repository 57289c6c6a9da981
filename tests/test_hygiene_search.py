"""Copies and swapped classes in arrays: against second implementations, and in real data."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from biorobust.data.hygiene.neighbours import nearest_two
from biorobust.data.hygiene.report import Report, inspect
from biorobust.data.hygiene.swaps import looks, swapped
from biorobust.data.images import fit
from biorobust.data.sources.catalogue import open_source, select
from biorobust.data.sources.fashion_mnist import DEBIAN_FOLDER
from hygienic import part


def unit_vectors(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# More than a tile of 1024 by 4096, and not whole ones.
@pytest.mark.parametrize(("queries", "pool"), [(1500, 4500), (7, 3), (2, 1), (4200, None)])
def test_neighbours_are_those_of_the_sorted_distances(queries: int, pool: int | None) -> None:
    left = unit_vectors(queries, 0)
    right = left if pool is None else unit_vectors(pool, 1)
    found = nearest_two(left, None if pool is None else right)
    distances = 1 - left.astype(np.float64) @ right.T.astype(np.float64)
    if pool is None:
        np.fill_diagonal(distances, 3)
    order = np.argsort(distances, axis=1)
    rows = np.arange(queries)
    np.testing.assert_array_equal(found.nearest, order[:, 0])
    np.testing.assert_allclose(found.distance, distances[rows, order[:, 0]], atol=1e-5)
    second = distances[rows, order[:, 1]] if right.shape[0] > 1 else np.full(queries, 3.0)
    np.testing.assert_allclose(found.second, second, atol=1e-5)


def test_among_themselves_one_alone_has_no_neighbour() -> None:
    found = nearest_two(unit_vectors(1, 0))
    assert (found.distance[0], found.second[0]) == (3, 3)


@cache
def data_set(source: str, train: int | None, test: int | None) -> dict[str, tuple]:
    opened = open_source(source)
    split = {}
    for name, limit in (("train", train), ("test", test)):
        items = select(opened.splits[name], limit)
        images = np.stack([fit(item.load(), 32, "thesis") for item in items])
        split[name] = (images, np.array([item.label for item in items]))
    return split


DIGITS = ("digits", None, 200)
CLASSES = tuple("0123456789")


def report_on(source: tuple, names: np.ndarray | None = None) -> Report:
    """The report on a data set whose test labels are renamed: label n becomes `names[n]`."""
    (train, train_labels), (test, test_labels) = data_set(*source).values()
    renamed = test_labels if names is None else names[test_labels]
    return inspect(
        part(train, train_labels, CLASSES, "train"), part(test, renamed, CLASSES, "test")
    )


@pytest.mark.parametrize(
    "source",
    [
        DIGITS,
        ("digits", 40, 20),
        pytest.param(
            ("fashion_mnist", 2000, 500),
            marks=pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="no dataset-fashion-mnist"),
        ),
    ],
    ids=str,
)
def test_bundled_data_raise_no_alarm(source: tuple) -> None:
    report = report_on(source)
    facts = [report["across"], *report["splits"].values()]
    assert [each[kind]["images"] for each in facts for kind in ("exact", "near")] == [0] * 6
    assert [each["constant"]["images"] for each in report["splits"].values()] == [0, 0]
    assert [each["small_classes"] for each in report["splits"].values()] == [[], []]
    assert report["nearest_neighbour"]["swapped"] == []


@pytest.mark.parametrize("one", range(10))
def test_two_swapped_digits_are_named(one: int) -> None:
    other = (one + 3) % 10
    names = np.arange(10)
    names[[one, other]] = other, one
    swap = [CLASSES[label] for label in sorted((one, other))]
    assert report_on(DIGITS, names)["nearest_neighbour"]["swapped"] == [swap]


def test_labels_shifted_by_one_are_one_circle() -> None:
    shifted = (np.arange(10) + 1) % 10
    (circle,) = report_on(DIGITS, shifted)["nearest_neighbour"]["swapped"]
    assert sorted(circle) == list(CLASSES)
    # A folder called 3 holds twos.
    assert all((int(name) - 1) % 10 == int(look) for name, look in pairwise(circle))


def test_shuffled_labels_look_like_nothing_in_particular() -> None:
    (train, train_labels), (test, labels) = data_set(*DIGITS).values()
    shuffled = np.random.default_rng(0).permutation(labels)
    report = inspect(part(train, train_labels, CLASSES), part(test, shuffled, CLASSES, "test"))
    neighbours = report["nearest_neighbour"]
    assert neighbours["swapped"] == []
    assert neighbours["right"] < 0.25 * neighbours["images"]


def test_hubs_and_few_images_are_no_swap() -> None:
    assert looks(np.array([0, 0, 1]), np.array([1, 1, 0]), 2).tolist() == [[0, 2], [1, 0]]
    assert swapped(np.array([[0, 20], [20, 0]])) == [[0, 1]]
    assert swapped(np.array([[0, 5], [5, 0]])) == []
    # All that is dark looks like class 2, and class 2 like itself.
    assert swapped(np.array([[5, 5, 90], [5, 5, 90], [5, 5, 90]])) == []
    # Garments: shirts look like T-shirts often, but like shirts more often.
    assert swapped(np.array([[793, 132], [146, 614]])) == []


@given(st.lists(st.integers(0, 60), min_size=4, max_size=4))
def test_two_classes_are_called_swapped_only_against_the_odds(numbers: list[int]) -> None:
    counts = np.array(numbers).reshape(2, 2)
    crossed, straight = counts[0, 1] + counts[1, 0], np.trace(counts)
    both = counts[0, 1] > counts[0, 0] and counts[1, 0] > counts[1, 1]
    chance = binomtest(crossed, crossed + straight, alternative="greater").pvalue if both else 1.0
    if swapped(counts):
        assert both and chance < 1e-4 / 4
    else:
        # Of n throws, Chernoff's bound is at most sqrt(2 n) times the binomial tail (Ash 1965).
        assert not both or chance * np.sqrt(2 * 240) >= 1e-4 / 4
