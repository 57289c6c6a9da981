"""The common form of checks that ask one thing of some images: how many of them fail?"""

from collections.abc import Mapping

from torch import Tensor

from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.subject import Subject


def share_of_images(
    name: str,
    subject: Subject,
    thresholds: Mapping[str, float],
    numbers: Tensor,
    found: Tensor,
    *,
    says: str,
    means: str,
) -> Finding:
    """The finding on the share of the images `numbers` [m] that are `found` (booleans [m]).

    `says` has two places, for how many are found and of how many.
    """
    return finding_of(
        name,
        float(found.double().mean()),
        thresholds,
        says=says.format(int(found.sum()), len(numbers)),
        means=means,
        images=subject.ids_of(numbers[found]),
    )
