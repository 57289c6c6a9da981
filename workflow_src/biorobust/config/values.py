"""The kinds of values in a config: numbers however YAML spells them, names, lists.

A message that begins with "must be" says what is allowed; `reading` puts place and value before it.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}")
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
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


def as_integer(value: Any) -> int:
    """A whole number, or text that spells one, as Snakemake's `--config` delivers lists.

    Raises ValueError for anything else, booleans and 1.0 included.
    """
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return value


def as_switch(value: Any) -> bool:
    """True or false, or text that spells it. Raises ValueError for anything else."""
    # Snakemake's `--config` delivers what is not spelled True or False as text.
    if value in ("true", "false"):
        return bool(value == "true")
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


def _as_epsilon(value: Any, info: ValidationInfo) -> str:
    # Pixels are in 0 to 1, but a true L2 ball may be wider than one pixel's range. Beside a norm
    # that is itself a mistake, the upper bound is unknown.
    largest = 1 if info.data.get("norm") in ("linf", "rms") else math.inf
    try:
        possible = 0 <= as_number(value) <= largest
    except ValueError:
        possible = False
    if not possible:
        raise ValueError(
            "must be a finite number from 0 to 1 (0 or more for l2), such as 0.01, 1e-3 or 8/255"
        )
    return as_written(value)


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must be a list with at least one entry")
    return values


def as_written(value: Any) -> str:
    """A number of the config, or text that spells one, as text."""
    return value.strip() if isinstance(value, str) else repr(value)


def repeated(values: Iterable[Any]) -> list[Any]:
    """Those of the values that occur more than once."""
    return [value for value, times in Counter(values).items() if times > 1]


Number = Annotated[float, BeforeValidator(as_number)]
Integer = Annotated[int, BeforeValidator(as_integer)]
Positive = Annotated[Integer, Field(ge=1)]
Switch = Annotated[bool, BeforeValidator(as_switch)]
# Names become parts of file names.
Name = Annotated[str, BeforeValidator(_as_name)]
# The text of the config is kept: it names files and table columns. For fields after a `norm`.
EpsilonText = Annotated[str, BeforeValidator(_as_epsilon)]
# Not `min_length`: pydantic would also complain of an empty list where an entry is wrong.
NotEmpty = AfterValidator(_not_empty)
