"""The kinds of values in a config: numbers however YAML spells them, names, epsilons."""

import math
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def as_number(value: Any) -> float:
    """A number, or text that spells one: YAML reads 1e-3 as text, and the field writes 8/255.

    Raises ValueError for anything else, booleans, infinities and NaN included.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError('must be a number such as 0.01, 1e-3 or "8/255"')
    try:
        number = float(Fraction(value)) if isinstance(value, str) else float(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError('must be a number such as 0.01, 1e-3 or "8/255"') from None
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


def _as_integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return value


def _as_epsilon(value: Any) -> str:
    as_number(value)
    return value.strip() if isinstance(value, str) else repr(value)


Number = Annotated[float, BeforeValidator(as_number)]
Integer = Annotated[int, BeforeValidator(_as_integer)]
# Names become parts of file names.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=80)]
# The text of the config is kept: it names files and table columns.
EpsilonText = Annotated[str, BeforeValidator(_as_epsilon)]
