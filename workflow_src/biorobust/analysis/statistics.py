"""Error bars over test images and over seeds, and tests of whether two models differ."""

from collections.abc import Sequence
from math import ceil, floor, inf, nan, sqrt
from statistics import fmean, stdev

from scipy.stats import binomtest, t


def wilson_interval(successes: float, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927, without continuity correction).

    `successes` out of `total` images, 0 <= successes <= total. Unlike the normal approximation
    it stays inside [0, 1] and does not collapse at 0 or `total`, where attacks often end.
    A mean count over seeds need not be whole: the interval is then rounded outwards, from the
    lower end of the count below to the upper end of the count above, since a binomial count
    is whole. Returns (low, high) as fractions. Raises ValueError where the counts or the
    confidence are impossible.
    """

    def ends(count: int) -> tuple[float, float]:
        test = binomtest(count, total)
        interval = test.proportion_ci(confidence_level=confidence, method="wilson")
        return float(interval.low), float(interval.high)

    return ends(floor(successes))[0], ends(ceil(successes))[1]


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (divisor n - 1) of at least one value.

    The deviation of a single value is unknown, hence NaN and not 0. Raises ValueError without
    values.
    """
    return fmean(values), stdev(values) if len(values) > 1 else nan


def prediction_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Where one more value would fall, if all came from one normal distribution.

    mean ± t s sqrt(1 + 1 / n), with Student's t of n - 1 degrees of freedom and the sample
    standard deviation s: what a single published run is held against. Raises ValueError with
    fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("one value does not tell how far another may lie")
    mean, deviation = mean_and_deviation(values)
    quantile = float(t.ppf((1 + confidence) / 2, len(values) - 1))
    reach = quantile * deviation * sqrt(1 + 1 / len(values))
    return mean - reach, mean + reach


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact test of two models on the same images; the two-sided p-value.

    Of the images that one of them keeps and the other does not, as many should be the first's as
    the second's if the models are equally good (McNemar 1947; exact: a binomial test with one
    half). Images on which they agree say nothing. 1 without an image on which they differ.
    """
    differing = only_first + only_second
    return float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction for several tests (Holm 1979, Scandinavian Journal of Statistics 6).

    Rejecting whatever is below 5 % afterwards rejects a true hypothesis, be it a single one of
    them all, in at most 5 % of cases. In the order of `p_values`; each at most 1.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def odds_ratio(only_first: float, only_second: float) -> float:
    """How many times as many images only the first keeps as only the second does.

    The matched pairs' odds ratio. Infinite where the second has none, NaN where neither has one.
    """
    if not only_second:
        return inf if only_first else nan
    return only_first / only_second
