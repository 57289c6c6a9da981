"""Numbers however YAML spells them, against Python's own fractions."""

import math
from fractions import Fraction
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from biorobust.config.values import as_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-3", 0.001),
        ("1E-3", 0.001),
        ("1.e-3", 0.001),
        (".5", 0.5),
        ("8/255", 8 / 255),
        ('" 1/3 "', 1 / 3),
        ("+0.25", 0.25),
        ("1", 1.0),
    ],
)
def test_numbers_however_yaml_reads_them(text: str, number: float) -> None:
    assert as_number(yaml.safe_load(text)) == number


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**12))
def test_a_fraction_is_its_closest_float(dividend: int, divisor: int) -> None:
    assert as_number(f"{dividend}/{divisor}") == float(Fraction(dividend, divisor))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_float_is_itself(value: float) -> None:
    assert as_number(value) == as_number(repr(value)) == value


@given(st.text(alphabet="0123456789eE+-./_ xinfa٣²", max_size=8))
def test_text_is_a_number_where_fractions_and_floats_agree(text: str) -> None:
    try:
        number = as_number(text)
    except ValueError:
        return
    assert number == float(Fraction(text))


@pytest.mark.parametrize(
    "value",
    [True, False, None, [], [1], {}, "", "x", "1,5", "0x10", "1_000", "8_255", "1/2/3", "٣"],
)
def test_whatever_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="must be a number such as"):
        as_number(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1/0", "1e999", 10**400])
def test_infinities_and_nan_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="must be a finite number"):
        as_number(value)


def test_an_absurd_exponent_takes_no_time() -> None:
    # As an exact fraction this would be a number of a billion digits.
    assert as_number("1e-1000000000") == 0
