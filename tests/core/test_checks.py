"""Checks of scalar arguments: what passes, what is refused, and with which words."""

import math
from fractions import Fraction

import numpy as np
import pytest

from subnetlab.core import checks


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2)])
def test_whole_numbers_become_int(value):
    number = checks.whole_number("Owner", "count", value, least=2)
    assert number == 2
    assert type(number) is int


@pytest.mark.parametrize("value", [1.5, np.float32(1.5), np.float64(1.5), Fraction(3, 2)])
def test_finite_numbers_become_float(value):
    number = checks.finite_number("Owner", "x", value)
    assert number == 1.5
    assert type(number) is float


def test_the_ends_of_the_ranges_belong_to_them():
    assert checks.seed_number("Owner", 0) == 0
    assert checks.seed_number("Owner", 2**64 - 1) == 2**64 - 1
    assert checks.positive_number("Owner", "x", 5e-324) == 5e-324
    assert checks.probability("Owner", "xi", 5e-324) == 5e-324
    assert checks.probability("Owner", "xi", 1) == 1.0


@pytest.mark.parametrize("value", [True, 2.0, "2", None, np.array([2])])
def test_no_whole_number(value, refused):
    with refused(TypeError, f"Owner: count must be a whole number, got {value!r}"):
        checks.whole_number("Owner", "count", value, least=0)


@pytest.mark.parametrize("value", [True, "1", None, 1j])
def test_no_number(value, refused):
    for check in (checks.finite_number, checks.positive_number, checks.probability):
        with refused(TypeError, f"Owner: x must be a number, got {value!r}"):
            check("Owner", "x", value)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_not_finite(value, refused):
    for check in (checks.finite_number, checks.positive_number, checks.probability):
        with refused(ValueError, f"Owner: x must be finite, got {value}"):
            check("Owner", "x", value)


def test_out_of_range(refused):
    with refused(ValueError, "Owner: count must be at least 2, got 1"):
        checks.whole_number("Owner", "count", 1, least=2)
    with refused(ValueError, "Owner: seed must be at least 0, got -1"):
        checks.seed_number("Owner", -1)
    with refused(ValueError, f"Owner: seed must be below 2**64, got {2**64}"):
        checks.seed_number("Owner", 2**64)
    with refused(TypeError, "Owner: seed must be a whole number, got 1.5"):
        checks.seed_number("Owner", 1.5)
    for value in (0, -1.0):
        with refused(ValueError, f"Owner: x must be above 0, got {value}"):
            checks.positive_number("Owner", "x", value)
    with refused(ValueError, "Owner: x must be at most 3, got 3.5"):
        checks.positive_number("Owner", "x", 3.5, most=3.0)
    for value in (0, -0.1, 1.2, math.nextafter(1, 2)):
        with refused(ValueError, f"Owner: xi must be in (0, 1], got {value}"):
            checks.probability("Owner", "xi", value)


def test_one_of(refused):
    assert checks.one_of("Owner", "word", "b", ("a", "b")) == "b"
    for value in ("c", 1, None, ["a"]):
        with refused(ValueError, f"Owner: word must be one of 'a', 'b', got {value!r}"):
            checks.one_of("Owner", "word", value, ("a", "b"))


def test_instance(refused):
    checks.instance("Owner", "x", 1, int)
    checks.instance("Owner", "x", [], tuple | list)
    with refused(TypeError, "Owner: x must be a int, got str"):
        checks.instance("Owner", "x", "1", int)
    with refused(TypeError, "Owner: x must be a tuple or list, got str"):
        checks.instance("Owner", "x", "1", tuple | list)
