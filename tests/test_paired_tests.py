"""McNemar, Holm and power, against textbooks, sums over every outcome, and simulations."""

from math import comb, inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.analysis.crossed import Components, Estimate
from biorobust.analysis.power import crossed_power, images_needed, mcnemar_power, seeds_needed
from biorobust.analysis.statistics import holm, mcnemar, odds_ratio

small = st.integers(0, 40)


@given(small, small)
def test_mcnemar_counts_the_outcomes_at_least_as_uneven(first: int, second: int) -> None:
    total = first + second
    as_uneven = [k for k in range(total + 1) if abs(2 * k - total) >= abs(first - second)]
    expected = sum(comb(total, k) for k in as_uneven) / 2**total
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_mcnemar_by_hand() -> None:
    # 2 (1 + 10 + 45) / 1024 and 2 (1 + 20 + 190 + 1140 + 4845 + 15504) / 2^20.
    assert mcnemar(2, 8) == pytest.approx(112 / 1024)
    assert mcnemar(5, 15) == pytest.approx(43400 / 2**20)
    assert mcnemar(0, 0) == 1


def test_odds_ratios() -> None:
    assert odds_ratio(15, 5) == 3
    assert odds_ratio(3, 0) == inf
    assert odds_ratio(0, 3) == 0
    assert isnan(odds_ratio(0, 0))


def test_holm_by_hand() -> None:
    # Ascending 0.005 0.01 0.03 0.04: times 4, 3, 2, 1 are 0.02 0.03 0.06 0.04; never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_value_and_bonferronis(values: list[float]) -> None:
    corrected = holm(values)
    for value, found in zip(values, corrected, strict=True):
        assert value <= found <= min(1, len(values) * value) or found == value
    ordered = [found for _, found in sorted(zip(values, corrected, strict=True))]
    assert ordered == sorted(ordered)
    assert min(corrected) == min(1, len(values) * min(values))


def summed_power(images: int, difference: float, discordant: float) -> float:
    """By the multinomial: images that only the better, only the worse, neither alone keeps."""
    better, worse = (discordant + difference) / 2, (discordant - difference) / 2
    return sum(
        comb(images, b)
        * comb(images - b, w)
        * better**b
        * worse**w
        * (1 - discordant) ** (images - b - w)
        for b in range(images + 1)
        for w in range(min(b, images - b + 1))
        if mcnemar(b, w) <= 0.05
    )


@pytest.mark.parametrize(
    ("images", "difference", "discordant"), [(12, 0.5, 0.6), (25, 0.3, 0.3), (30, 0.1, 0.9)]
)
def test_power_is_the_sum_over_every_outcome(
    images: int, difference: float, discordant: float
) -> None:
    expected = summed_power(images, difference, discordant)
    assert mcnemar_power(images, difference, discordant) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("difference", "discordant"), [(0.05, 0.15), (0.1, 0.12), (0.02, 0.02)])
def test_the_images_needed_are_near_the_textbook_formula(
    difference: float, discordant: float
) -> None:
    # Connor 1987, Biometrics 43: without the exact test's few more.
    spread = (discordant - difference**2) ** 0.5
    connor = ((1.959964 * discordant**0.5 + 0.841621 * spread) / difference) ** 2
    needed = images_needed(difference, discordant)
    assert needed is not None
    assert connor < needed < 1.25 * connor + 20


def test_the_images_needed_are_enough_in_simulations_and_half_of_them_are_not() -> None:
    needed = images_needed(0.06, 0.14)
    assert needed is not None
    generator = np.random.default_rng(0)
    told = []
    for images in (needed, needed // 2):
        draws = generator.multinomial(images, [0.10, 0.04, 0.86], size=800)
        told.append(np.mean([mcnemar(b, w) <= 0.05 and b > w for b, w, _ in draws]))
    # 800 draws have a standard deviation of 1.4 points at 80 %.
    assert told[0] == pytest.approx(0.80, abs=0.045)
    assert told[1] < 0.6


def test_no_number_of_images_is_a_number() -> None:
    assert images_needed(1e-5, 0.5) is None
    with pytest.raises(ValueError, match=r"cannot differ by 0\.2"):
        images_needed(0.2, 0.1)


def test_the_seeds_needed_are_enough_in_simulations_and_fewer_are_not() -> None:
    spread, images, difference = Components(0.05, 0.0009, 0.1), 400, 0.06
    seeds = seeds_needed(difference, spread, images)
    assert seeds is not None and seeds > 3
    generator = np.random.default_rng(1)

    def told(count: int) -> float:
        found = 0
        for _ in range(500):
            of_seeds = generator.normal(0, (spread.seed / 2) ** 0.5, (2, count))
            own = generator.normal(0, (spread.residual / 2 / images) ** 0.5, (2, count))
            of_images = generator.normal(0, (spread.image / images) ** 0.5)
            first, second = of_seeds + own
            # The mean squares that an analysis of variance would find.
            square = (first.var(ddof=1) + second.var(ddof=1)) / count
            alone = (spread.image + spread.residual / count) / images
            variance = alone + max(0.0, square - spread.residual / images / count)
            uncertain = alone**2 / (images - 1) + square**2 / (2 * (count - 1))
            mean = difference + of_images + first.mean() - second.mean()
            estimate = Estimate(mean, variance, max(1.0, variance**2 / uncertain))
            found += estimate.p_value() < 0.05 and estimate.mean > 0
        return found / 500

    # Two standard deviations of 500 draws are 4 points; degrees of freedom are estimates, too.
    assert told(seeds) == pytest.approx(0.8, abs=0.07)
    assert told(2) < 0.6


def test_no_number_of_seeds_makes_up_for_few_images() -> None:
    spread = Components(0.1, 0.0004, 0.1)
    assert seeds_needed(0.02, spread, 300) is None
    assert seeds_needed(0.02, spread, 30_000) is not None
    assert crossed_power(0.1, spread, 3, 300) < crossed_power(0.1, spread, 5, 300)
