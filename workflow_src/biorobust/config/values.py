"""The kinds of values in a config: numbers however YAML spells them, names, lists without repeats.

A message that begins with "must be" says what is allowed; `reading` puts place and value before it.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}")
_NUMBER = re.compile(r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)", re.ASCII | re.IGNORECASE)


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def as_number(value: Any) -> float:
    """A number, or text that spells one: YAML reads 1e-3 as text, and the field writes 8/255.

    Raises ValueError for anything else, booleans, infinities and NaN included.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number such as 0.01, 1e-3 or 8/255")
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError("must be a number such as 0.01, 1e-3 or 8/255")
    try:
        dividend, _, divisor = value.partition("/") if isinstance(value, str) else (value, "", "")
        number = float(dividend) / float(divisor or 1)
    except (ZeroDivisionError, OverflowError):
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


def _as_integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return value


def _as_switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _as_name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            "must be text (in quotes where it looks like a number) of letters, digits and _ . + -, "
            "beginning with a letter or digit, at most 80 in all"
        )
    return value


def _as_epsilon(value: Any) -> str:
    if as_number(value) < 0:
        raise ValueError("must be 0 or more")
    return value.strip() if isinstance(value, str) else repr(value)


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must be a list with at least one entry")
    return values


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if twice := repeated(getattr(value, "name", value) for value in values):
        raise ValueError(f"{twice[0]!r} is written twice; each once")
    return values


def repeated(values: Iterable[Any]) -> list[Any]:
    """Those of the values that occur more than once."""
    return [value for value, times in Counter(values).items() if times > 1]


Number = Annotated[float, BeforeValidator(as_number)]
Integer = Annotated[int, BeforeValidator(_as_integer)]
Switch = Annotated[bool, BeforeValidator(_as_switch)]
# Names become parts of file names.
Name = Annotated[str, BeforeValidator(_as_name)]
# The text of the config is kept: it names files and table columns.
EpsilonText = Annotated[str, BeforeValidator(_as_epsilon)]
# Not `min_length`: pydantic would also complain of an empty list where an entry is wrong.
NotEmpty = AfterValidator(_not_empty)
EachOnce = AfterValidator(_each_once)
