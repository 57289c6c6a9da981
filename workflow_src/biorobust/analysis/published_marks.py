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
      as they are possible, beside another clean one; or the line repeats the release's, beside
      another clean one.
    """
    found = {}
    same = "beside the same adversarial accuracies"
    if other := _contradiction(model, row, images):
        found[CLEAN] = Mark(CONTRADICTED, f"{other.source} prints {other.clean} {same}")
    elif (again := repeated_release(model, row)) and again.clean != row.clean:
        found[CLEAN] = Mark(CONTRADICTED, f"the release has {again.clean} {same} (above 0)")
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


def repeated_release(model: Model, row: Row) -> Row | None:
    """The released line whose adversarial accuracies a line has, wherever those are above 0.

    Such a line is hardly a measurement of its own.
    """
    for other in model.rows:
        if row.source != RELEASED == other.source and other.attack == row.attack:
            above = {e: printed for e, printed in other.adversarial.items() if Decimal(printed) > 0}
            mine = {e: row.adversarial.get(e) for e in above}
            if row.adversarial and all(
                printed is not None and Decimal(printed) == Decimal(above[epsilon])
                for epsilon, printed in mine.items()
            ):
                return other
    return None


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
