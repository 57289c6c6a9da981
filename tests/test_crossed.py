"""Intervals over images and seeds, against textbook sums, closed forms and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from biorobust.analysis.crossed import (
    Components,
    SeedSpread,
    components,
    crossed_bootstrap,
    estimate_difference,
    estimate_share,
    seed_spread,
)
from biorobust.analysis.statistics import wilson_interval

UNKNOWN = SeedSpread(0.0, 0.0, 0.0)

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


def test_the_spread_of_seeds_by_hand() -> None:
    # Of 4 images, three seeds keep 1, 2 and 3: shares 1/4, 1/2, 3/4, between them 1/16, times 4
    # the mean square 1/4. Means of the images 1, 2/3, 1/3, 0; residuals by seed 1/4 -5/12 -1/12
    # 1/4, then 0 1/3 -1/3 0, then -1/4 1/12 5/12 -1/4: squares 5/6 in all, over 2 x 3 degrees
    # 5/36. So (1/4 - 5/36) / 4 = 1/36 is due to seeds, 1/16 with what they make of images. With
    # two images kept and two lost: p = 4/8.
    stairs = (np.arange(4) < np.array([[1], [2], [3]])) * 1.0
    alone = np.ones((1, 4))
    found = seed_spread([stairs, alone])
    assert found == pytest.approx(SeedSpread((1 / 36) / (1 / 4), (1 / 16) / (1 / 4), 2.0))
    # Two seeds that do alike add nothing but their p (1 - p) = 6/8 2/8 and a degree of freedom.
    both = seed_spread([stairs, np.ones((2, 4))])
    weight = 1 / 4 + 3 / 16
    assert both.dispersion == pytest.approx(1 / 36 / weight)
    assert both.mean_square == pytest.approx(1 / 16 / weight)
    assert both.freedom == pytest.approx(weight**2 / (1 / 16 / 2 + 9 / 256))
    assert seed_spread([alone, alone]) == UNKNOWN


def test_an_estimate_by_hand() -> None:
    # Of 4 images the first keeps 3 and 1 by its two seeds, the second 0: means over seeds
    # 1 1/2 1/2 0; with the two added images, 1 and -1, their mean is 1/3 and the squares from it
    # sum to 1 + 1/4 + 1/4 + 1 + 1 - 6/9 = 17/6: variance 17/30, of the mean 17/180. Seeds add
    # 1/10 x 1/4 / 2 for the first (p = 4/8), and 1/10 x 6/8 x 2/8 / 2 for the second (p = 2/8).
    first = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    estimate = estimate_difference(first, np.zeros((2, 4)), SeedSpread(0.1, 0.2, 3.0))
    seeds = 0.1 * (1 / 4 + 3 / 16) / 2
    variance = 17 / 180 + seeds
    assert estimate.mean == pytest.approx(1 / 3)
    assert estimate.variance == pytest.approx(variance)
    uncertain = (17 / 180) ** 2 / 5 + (2 * seeds) ** 2 / 3
    assert estimate.freedom == pytest.approx(variance**2 / uncertain)


def test_with_one_seed_it_is_the_paired_t_test() -> None:
    generator = np.random.default_rng(1)
    first, second = (generator.random((1, 60)) < share for share in (0.7, 0.5))
    estimate = estimate_difference(first * 1.0, second * 1.0, UNKNOWN)
    # The two added images are an image for each side.
    reference = ttest_rel([*first[0], 1, 0], [*second[0], 0, 1])
    interval = reference.confidence_interval()
    assert estimate.interval() == pytest.approx((interval.low, interval.high))
    assert estimate.p_value() == pytest.approx(reference.pvalue)


@pytest.mark.parametrize("kept", [0, 3, 50, 97, 100])
def test_with_one_seed_a_share_is_near_wilsons(kept: int) -> None:
    one = (np.arange(100)[None, :] < kept) * 1.0
    interval = estimate_share(one, seed_spread([one])).interval()
    assert interval == pytest.approx(wilson_interval(kept, 100), abs=0.02)


@given(verdicts, verdicts)
def test_changing_sides_changes_the_sign_alone(
    first: list[list[bool]], second: list[list[bool]]
) -> None:
    images = min(len(first), len(second))
    mine, theirs = table(first)[:, :images], table(second)[:, :images]
    spread = seed_spread([mine, theirs])
    one = estimate_difference(mine, theirs, spread)
    other = estimate_difference(theirs, mine, spread)
    low, high = one.interval()
    assert other.interval() == pytest.approx((-high, -low))
    assert low < one.mean < high
    assert one.p_value() == pytest.approx(other.p_value())
    # The interval is what the test does not reject.
    assert one.p_value(against=high) == pytest.approx(0.05)


def test_a_seed_that_deviates_widens_the_interval() -> None:
    alike = (np.arange(100) < np.array([[60], [60], [60]])) * 1.0
    apart = (np.arange(100) < np.array([[40], [60], [80]])) * 1.0
    low, high = estimate_share(alike, seed_spread([alike])).interval()
    lower, higher = estimate_share(apart, seed_spread([apart])).interval()
    # The three shares 40, 60 and 80 alone: t(2) = 4.303 times 20 / sqrt(3) is 49.7 points; of
    # images, something is known with more degrees of freedom.
    assert higher - lower > 2 * (high - low)
    assert (higher - lower) / 2 == pytest.approx(0.497, abs=0.08)
    # Others that say the same of seeds make it known better: t(20) is 2.086.
    lower, higher = estimate_share(apart, seed_spread([apart] * 10)).interval()
    assert (higher - lower) / 2 == pytest.approx(2.086 * 0.2 / 3**0.5, abs=0.03)


def test_all_or_nothing_still_has_an_interval() -> None:
    none, same = np.zeros((3, 300)), np.ones((2, 300))
    low, high = estimate_share(none, seed_spread([none])).interval()
    assert low < 0 < 0.005 < high < 0.02
    low, high = estimate_difference(same, same, seed_spread([same])).interval()
    assert low == pytest.approx(-high)
    assert 0.005 < high < 0.02


def test_more_seeds_of_one_model_than_of_the_other() -> None:
    generator = np.random.default_rng(2)
    first = (generator.random((4, 200)) < 0.8) * 1.0
    second = (generator.random((1, 200)) < 0.5) * 1.0
    low, high = estimate_difference(first, second, seed_spread([first, second])).interval()
    assert 0 < low < first.mean() - second.mean() < high


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
        first, second = models = drawn(generator, seeds, 150, sway)
        low, high = estimate_difference(first, second, seed_spread(models)).interval()
        covered += low <= truth <= high
    # 95 of 100; three standard deviations of 200 draws are 4.6 points.
    assert covered / 200 > 0.9


def test_the_bootstrap_promises_too_much_where_two_seeds_differ() -> None:
    generator = np.random.default_rng(4)
    bootstrap = crossed = 0
    for _ in range(150):
        first, second = models = drawn(generator, 2, 100, 1.5, better=0.0)
        low, high = crossed_bootstrap(first - second, draws=300)
        bootstrap += low <= 0 <= high
        low, high = estimate_difference(first, second, seed_spread(models)).interval()
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
    assert estimate_share(kept, seed_spread([kept])).interval() == pytest.approx(
        (share - reach, share + reach), abs=0.006
    )


@settings(max_examples=20)
@given(verdicts)
def test_the_bootstrap_draws_the_same_each_time_and_not_by_the_order_of_images(
    rows: list[list[bool]],
) -> None:
    kept = table(rows)
    assert crossed_bootstrap(kept, draws=50) == crossed_bootstrap(kept[:, ::-1], draws=50)
