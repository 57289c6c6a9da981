"""Intervals over images and seeds, against textbook sums, closed forms and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from biorobust.analysis.crossed import (
    Components,
    components,
    crossed_bootstrap,
    estimate_difference,
    estimate_share,
)
from biorobust.analysis.statistics import wilson_interval

verdicts = st.integers(2, 4).flatmap(
    lambda seeds: st.lists(
        st.lists(st.booleans(), min_size=seeds, max_size=seeds), min_size=2, max_size=12
    )
)


def table(rows: list[list[bool]]) -> np.ndarray:
    return np.array(rows, dtype=float).T


def test_components_by_hand() -> None:
    # Rows 1 2 3 and 3 4 11: grand mean 4, row means 2 6, column means 2 3 7; residuals
    # +1 +1 -2 over -1 -1 +2. Sums of squares: images 2 (4 + 1 + 9) = 28, seeds 3 (4 + 4) = 24,
    # residual 12; mean squares 14, 24, 6; hence (14 - 6) / 2, (24 - 6) / 3 and 6.
    found = components(np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 11.0]]))
    assert found == pytest.approx(Components(4, 6, 6))


def test_an_estimate_by_hand() -> None:
    # Two seeds, two images, and the two added ones (+1, -1): differences 1 0 1 -1 over 0 0 1 -1.
    # Means of the images 1/2 0 1 -1, their mean 1/8, variance (9 + 1 + 49 + 81) / 64 / 3 = 35/48;
    # a quarter of it 35/192. Row means 1/4 and 0: between seeds 4 (1/64 + 1/64) / 1 = 1/8, over 8
    # values 1/64. Residuals +-3/8 once and +-1/8 thrice in each row: 2 (9 + 3) / 64 / 3 = 1/8, over
    # 8 values 1/64. So the seeds add nothing: variance 35/192; degrees of freedom
    # (35/192)^2 / ((35/192)^2 / 3 + (1/64)^2) = 2.9352...
    estimate = estimate_difference(
        np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.0]]), paired=True
    )
    assert estimate.mean == pytest.approx(1 / 8)
    assert estimate.variance == pytest.approx(35 / 192)
    share = (35 / 192) ** 2
    assert estimate.freedom == pytest.approx(share / (share / 3 + 1 / 64**2))


def test_with_one_seed_it_is_the_paired_t_test() -> None:
    generator = np.random.default_rng(1)
    first, second = (generator.random((1, 60)) < share for share in (0.7, 0.5))
    estimate = estimate_difference(first * 1.0, second * 1.0, paired=True)
    # The two added images are an image for each side.
    reference = ttest_rel([*first[0], 1, 0], [*second[0], 0, 1])
    interval = reference.confidence_interval()
    assert estimate.interval() == pytest.approx((interval.low, interval.high))
    assert estimate.p_value() == pytest.approx(reference.pvalue)


@pytest.mark.parametrize("kept", [0, 3, 50, 97, 100])
def test_with_one_seed_a_share_is_near_wilsons(kept: int) -> None:
    interval = estimate_share(np.arange(100)[None, :] < np.array(kept) * 1.0).interval()
    assert interval == pytest.approx(wilson_interval(kept, 100), abs=0.02)


@given(verdicts, verdicts)
def test_changing_sides_changes_the_sign_alone(
    first: list[list[bool]], second: list[list[bool]]
) -> None:
    images = min(len(first), len(second))
    seeds = min(len(first[0]), len(second[0]))
    mine, theirs = table(first)[:seeds, :images], table(second)[:seeds, :images]
    for paired in (True, False):
        one = estimate_difference(mine, theirs, paired=paired)
        other = estimate_difference(theirs, mine, paired=paired)
        low, high = one.interval()
        assert other.interval() == pytest.approx((-high, -low))
        assert low < one.mean < high
        assert one.p_value() == pytest.approx(other.p_value())
        # The interval is what the test does not reject.
        assert one.p_value(against=high) == pytest.approx(0.05)


def test_a_seed_that_deviates_widens_the_interval() -> None:
    alike = (np.arange(100) < np.array([[60], [60], [60]])) * 1.0
    apart = (np.arange(100) < np.array([[40], [60], [80]])) * 1.0
    (low, high), (lower, higher) = (
        estimate_share(alike).interval(),
        estimate_share(apart).interval(),
    )
    # The three shares 40, 60 and 80 alone: t(2) = 4.303 times 20 / sqrt(3) is 49.7 points; of
    # images, something is known with more degrees of freedom.
    assert higher - lower > 2 * (high - low)
    assert (higher - lower) / 2 == pytest.approx(0.497, abs=0.08)


def test_all_or_nothing_still_has_an_interval() -> None:
    low, high = estimate_share(np.zeros((3, 300))).interval()
    assert low < 0 < 0.005 < high < 0.02
    same = np.ones((2, 300))
    low, high = estimate_difference(same, same, paired=True).interval()
    assert low == pytest.approx(-high)
    assert 0.005 < high < 0.02


def test_more_seeds_of_one_model_than_of_the_other() -> None:
    generator = np.random.default_rng(2)
    first = (generator.random((4, 200)) < 0.8) * 1.0
    second = (generator.random((1, 200)) < 0.5) * 1.0
    low, high = estimate_difference(first, second, paired=False).interval()
    assert low < first.mean() - second.mean() < high
    assert low > 0


def drawn(
    generator: np.random.Generator, seeds: int, images: int, sway: float, better: float = 0.5
) -> np.ndarray:
    """Verdicts of two models: images are hard or easy for both, seeds good or bad by `sway`."""
    hard = 2 * generator.normal(size=images)
    return np.array(
        [
            base
            + hard
            + generator.normal(size=images)
            + sway * generator.normal(size=(seeds, 1))
            + generator.logistic(size=(seeds, images))
            > 0
            for base in (better, 0.0)
        ],
        dtype=float,
    )


@pytest.mark.parametrize(("seeds", "sway"), [(2, 0.0), (3, 0.6), (5, 0.6)])
def test_the_interval_covers_what_it_says_in_simulations(seeds: int, sway: float) -> None:
    generator = np.random.default_rng(3)
    many = [drawn(generator, 60, 4000, sway).mean(axis=(1, 2)) for _ in range(40)]
    truth = np.subtract(*np.mean(many, axis=0))
    covered = 0
    for _ in range(200):
        low, high = estimate_difference(*drawn(generator, seeds, 150, sway), paired=True).interval()
        covered += low <= truth <= high
    # 95 of 100; three standard deviations of 200 draws are 4.6 points.
    assert covered / 200 > 0.9


def test_the_bootstrap_promises_too_much_where_two_seeds_differ() -> None:
    generator = np.random.default_rng(4)
    bootstrap = crossed = 0
    for _ in range(150):
        first, second = drawn(generator, 2, 100, 1.5, better=0.0)
        low, high = crossed_bootstrap(first - second, draws=300)
        bootstrap += low <= 0 <= high
        low, high = estimate_difference(first, second, paired=True).interval()
        crossed += low <= 0 <= high
    assert bootstrap / 150 < 0.8
    assert crossed / 150 > 0.88


def test_the_bootstrap_agrees_where_many_seeds_are_alike() -> None:
    generator = np.random.default_rng(5)
    # Images that all seeds treat alike: only images vary, and both have the normal interval.
    kept = np.tile((generator.random(400) < 0.6) * 1.0, (30, 1))
    share = kept.mean()
    reach = 1.96 * np.sqrt(share * (1 - share) / 400)
    assert crossed_bootstrap(kept) == pytest.approx((share - reach, share + reach), abs=0.006)
    assert estimate_share(kept).interval() == pytest.approx(
        (share - reach, share + reach), abs=0.006
    )


@settings(max_examples=20)
@given(verdicts)
def test_the_bootstrap_draws_the_same_each_time_and_not_by_the_order_of_images(
    rows: list[list[bool]],
) -> None:
    kept = table(rows)
    assert crossed_bootstrap(kept, draws=50) == crossed_bootstrap(kept[:, ::-1], draws=50)
