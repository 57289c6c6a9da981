"""How many images, or seeds, it takes to tell two models apart that differ by so much."""

from math import sqrt

import numpy as np
from scipy.stats import binom, nct, t

from biorobust.analysis.crossed import Components

# Beyond these no one will go; a search that reaches them says so.
_MOST_IMAGES, _MOST_SEEDS = 10**7, 1000


def mcnemar_power(images: int, difference: float, discordant: float, level: float = 0.05) -> float:
    """How likely McNemar's exact test is to find the right one of two models better.

    The models differ on a share `discordant` of all images, and the better one keeps a share
    `difference` more of them: 0 < difference <= discordant <= 1. Exact: the number of images, out
    of `images`, on which they differ is binomial, and so is, given that number, how many of those
    the better one keeps. Raises ValueError for impossible shares.
    """
    _require_possible(difference, discordant)
    # The numbers of differing images left out here have a probability below 1e-9 together.
    fewest, most = binom.ppf([5e-10, 1 - 5e-10], images, discordant).astype(int)
    differing = np.arange(fewest, most + 1)
    # The largest count of the worse model with which the two-sided p-value stays within the level.
    bound = binom.ppf(level / 2, differing, 0.5) - 1
    bound += binom.cdf(bound + 1, differing, 0.5) <= level / 2
    told = binom.cdf(bound, differing, (1 - difference / discordant) / 2)
    return float(np.sum(binom.pmf(differing, images, discordant) * told))


def images_needed(difference: float, discordant: float, power: float = 0.8) -> int | None:
    """How many test images McNemar's exact test at 5 % needs, to have this power.

    `difference` and `discordant` as for `mcnemar_power`. None where ten million are too few.
    Found by halving, as power grows with the images but for ripples of a few of them.
    """

    def enough(images: int) -> bool:
        return mcnemar_power(images, difference, discordant) >= power

    few, many = 1, 2
    while not enough(many):
        few, many = many, 2 * many
        if many > _MOST_IMAGES:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many


def crossed_power(difference: float, spread: Components, seeds: int, images: int) -> float:
    """How likely the 5 % test over seeds and images (see `crossed`) is to find a true difference.

    Two models with `seeds` each, at least two, share `images` test images. `spread` holds the
    variances of the difference between a seed of one and a seed of the other, image by image.
    Expected mean squares stand for those of one experiment; other models, from which one could
    learn how seeds vary, there are none.
    """
    of_images = (spread.image + spread.residual / seeds) / images
    of_seeds = (spread.seed + spread.residual / images) / seeds
    variance = of_images + spread.seed / seeds
    freedom = variance**2 / (of_images**2 / (images - 1) + of_seeds**2 / (2 * (seeds - 1)))
    freedom = max(1.0, freedom)
    return float(nct.sf(t.ppf(0.975, freedom), freedom, difference / sqrt(variance)))


def seeds_needed(
    difference: float, spread: Components, images: int, power: float = 0.8
) -> int | None:
    """How many seeds tell the difference with this power on a test set of `images`.

    None where a thousand do not: the test set itself then is too small, however often one trains.
    """

    def enough(seeds: int) -> bool:
        return crossed_power(difference, spread, seeds, images) >= power

    if not enough(_MOST_SEEDS):
        return None
    few, many = 1, _MOST_SEEDS
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many


def _require_possible(difference: float, discordant: float) -> None:
    if not 0 < difference <= discordant <= 1:
        raise ValueError(
            f"two models that differ on a share {discordant} of the images cannot differ by "
            f"{difference}; 0 < difference <= discordant <= 1"
        )
