"""The stratified limit against dealing images out one by one."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.data.sources.catalogue import Item, select
from biorobust.errors import UserError


def unloadable() -> np.ndarray:
    raise AssertionError("selecting decodes nothing")


def items_of(labels: list[int]) -> list[Item]:
    return [Item(f"train/{row:05d}", label, unloadable) for row, label in enumerate(labels)]


def fair_counts(available: dict[int, int], limit: int) -> dict[int, int]:
    """Deal one image after the other to the classes in turn."""
    dealt = dict.fromkeys(available, 0)
    while limit:
        for label in sorted(available):
            if limit and dealt[label] < available[label]:
                dealt[label] += 1
                limit -= 1
    return dealt


@given(st.data(), st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_a_limit_is_dealt_evenly_by_smallest_hash(data: st.DataObject, labels: list[int]) -> None:
    items = items_of(labels)
    limit = data.draw(st.integers(1, len(items)))
    chosen = select(items, limit)
    counts = fair_counts(Counter(labels), limit)
    expected = set()
    for label, count in counts.items():
        ids = [item.id for item in items if item.label == label]
        expected |= set(sorted(ids, key=lambda i: hashlib.sha256(i.encode()).hexdigest())[:count])
    assert [item.id for item in chosen] == [item.id for item in items if item.id in expected]


def test_no_limit_takes_all() -> None:
    items = items_of([1, 0, 1])
    assert select(items, None) == items


@pytest.mark.parametrize("limit", [-1, 0, 4])
def test_an_impossible_limit_is_refused(limit: int) -> None:
    with pytest.raises(UserError, match=f"limit of {limit} .* from 1 to 3"):
        select(items_of([0, 1, 1]), limit)
