"""What is wrong with published accuracies, told from the numbers alone."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from biorobust.analysis.published_values import RELEASED, Model, Row

CLEAN = "clean"
IMPOSSIBLE = "impossible"
TOO_HIGH = "too high"
CONTRADICTED = "contradicted"


class Mark(NamedTuple):
    """What is wrong with a printed number, in a word of this module, and why, in a sentence."""

    word: str
    why: str


def half_a_digit(printed: str) -> Decimal:
    """How far a number may lie from what was printed, which was rounded to its last digit."""
    exponent = Decimal(printed).as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(5).scaleb(exponent - 1)


def can_be_counted(printed: str, images: int) -> bool:
    """Whether a percentage, as printed, can be that of a whole number of `images`, rounded."""
    share, slack = Decimal(printed), half_a_digit(printed)
    fewest = ((share - slack) * images / 100).to_integral_value(ROUND_CEILING)
    most = ((share + slack) * images / 100).to_integral_value(ROUND_FLOOR)
    return max(fewest, Decimal(0)) <= min(most, Decimal(images))


def marks(model: Model, row: Row, images: int) -> dict[str, Mark]:
    """What is wrong with the numbers of one published line, by epsilon's text or "clean".

    - "impossible": no whole number out of `images` test images gives this percentage;
    - "too high": more images survive an RMS ball than the L-inf ball of the same size that
      lies inside it, under as many steps: the smaller ball's perturbations were not found;
    - "contradicted": another table of the thesis has the same adversarial accuracies, as far
      as they are possible, beside another clean one.
    """
    found = {}
    if other := _contradiction(model, row, images):
        why = f"{other.source} prints {other.clean} beside the same adversarial accuracies"
        found[CLEAN] = Mark(CONTRADICTED, why)
    inside = _inside(model, row)
    for place, printed in _numbers(row).items():
        if not can_be_counted(printed, images):
            why = (
                f"{printed}% of {images} images is {_spelled(Decimal(printed) * images / 100)} of "
                f"an image; {images} images give multiples of {_spelled(Decimal(100) / images)}%"
            )
            found[place] = Mark(IMPOSSIBLE, why)
        elif place in inside and Decimal(printed) > Decimal(inside[place]):
            why = (
                f"more than the {inside[place]} under L∞, whose ball of the same ε lies inside "
                "this one, so that the attack missed perturbations which exist"
            )
            found[place] = Mark(TOO_HIGH, why)
    return found


def repeats_release(model: Model, row: Row) -> bool:
    """Whether a line has the release's adversarial accuracies, wherever those are above 0.

    Such a line is hardly a measurement of its own.
    """
    return any(
        row.source != RELEASED == other.source
        and other.attack == row.attack
        and bool(row.adversarial)
        and all(
            Decimal(printed) == Decimal(row.adversarial[epsilon])
            for epsilon, printed in other.adversarial.items()
            if Decimal(printed) > 0
        )
        for other in model.rows
    )


def _numbers(row: Row) -> dict[str, str]:
    return {CLEAN: row.clean, **row.adversarial} if row.clean is not None else row.adversarial


def _inside(model: Model, row: Row) -> dict[str, str]:
    """The accuracies under L-inf that the same steps left, if `row` is about RMS balls."""
    wanted = (row.source, row.attack._replace(norm="linf"))
    if row.attack.norm == "rms":
        for other in model.rows:
            if (other.source, other.attack) == wanted:
                return other.adversarial
    return {}


def _contradiction(model: Model, row: Row, images: int) -> Row | None:
    for other in model.rows:
        if other.attack != row.attack or RELEASED in (row.source, other.source):
            continue
        both = [
            (Decimal(row.adversarial[epsilon]), Decimal(printed))
            for epsilon, printed in other.adversarial.items()
            if can_be_counted(printed, images) and can_be_counted(row.adversarial[epsilon], images)
        ]
        if row.clean != other.clean and both and all(mine == theirs for mine, theirs in both):
            return other
    return None


def _spelled(number: Decimal) -> str:
    return f"{number.normalize():f}"
