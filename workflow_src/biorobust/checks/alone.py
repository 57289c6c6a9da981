"""The common form of checks that watch an attack at work, each image in a batch of its own."""

from collections.abc import Callable, Mapping

from torch import Tensor

from biorobust.checks.attacking import Ball, telling_balls
from biorobust.checks.findings import Finding, finding_of
from biorobust.checks.subject import NotExamined, Subject

Flaw = Callable[[Ball, int], bool | None]


def share_of_flaws(
    name: str,
    subject: Subject,
    thresholds: Mapping[str, float],
    numbers: Callable[[Ball], Tensor],
    flaw: Flaw,
    *,
    none: str,
    says: str,
    means: str,
) -> Finding:
    """The finding on the share of images that show a flaw of the attack.

    `numbers` chooses images, in the ball of each attack that tells most, and `flaw` says of each
    whether it shows one, or None where that cannot be told. `says` has two places, for how many do
    and of how many. Raises NotExamined, which says `none`, where it can be told of no image.
    """
    told = {True: list[int](), False: list[int]()}
    for ball in telling_balls(subject.recorded):
        for number in numbers(ball).tolist():
            found = flaw(ball, number)
            if found is not None:
                told[found].append(number)
    total = sum(map(len, told.values()))
    if not total:
        raise NotExamined(none)
    flawed = told[True]
    says = says.format(len(flawed), total)
    share, images = len(flawed) / total, subject.ids_of(flawed)
    return finding_of(name, share, thresholds, says=says, means=means, images=images)
