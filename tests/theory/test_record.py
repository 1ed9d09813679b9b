"""A hypothesis and a promise are refused where a field is not what verdicts read it as."""

import numpy as np
import pytest

from subnetlab.theory.record import Condition, Promise


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ((3, 1.0, 2.0, "<="), TypeError, "Condition: name must be a str, got int"),
        (("a", "q", 1.0, "<="), TypeError, "Condition: value must be a number, got 'q'"),
        (("a", 1j, 1.0, "<="), TypeError, "Condition: value must be a number, got 1j"),
        (("a", np.nan, 1.0, "<="), ValueError, "Condition: value must be a number, got NaN"),
        (("a", 1.0, None, "<="), TypeError, "Condition: limit must be a number, got None"),
        (("a", 2.0, 1.0, "<"), ValueError, "Condition: relation must be one of '>=', '<=', '>', got '<'"),
    ],
)
def test_what_is_no_hypothesis_is_refused(fields, error, message, refused):
    with refused(error, message):
        Condition(*fields)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"statement": 3}, TypeError, "Promise: statement must be a str, got int"),
        ({"constants": "mine"}, ValueError, "Promise: constants must be one of 'paper', 'repaired', got 'mine'"),
        ({"applies": "no"}, TypeError, "Promise: applies must be a bool, got str"),
        ({"reason": None}, TypeError, "Promise: reason must be a str, got NoneType"),
        ({"conditions": ("a",)}, TypeError, "Promise: each of conditions must be a Condition, got str"),
        ({"notes": "abc"}, TypeError, "Promise: notes must be a tuple or list, got str"),
        ({"rate": np.nan}, ValueError, "Promise: rate must be a number, got NaN"),
        ({"floor": "x"}, TypeError, "Promise: floor must be a number, got 'x'"),
        ({"initial_error": 1j}, TypeError, "Promise: initial_error must be a number, got 1j"),
        ({"probability": 7.0}, ValueError, "Promise: probability must be in [0, 1], got 7.0"),
        ({"proven": "yes"}, TypeError, "Promise: proven must be a bool, got str"),
        ({"bound": [1.0, 1.0]}, TypeError, "Promise: bound must be a ndarray, got list"),
        (
            {"bound": np.array(["a"])},
            TypeError,
            "Promise: bound must be a vector of real numbers, got shape (1,) of dtype <U1",
        ),
        (
            {"bound": np.array([1j])},
            TypeError,
            "Promise: bound must be a vector of real numbers, got shape (1,) of dtype complex128",
        ),
        (
            {"bound": np.array([None])},
            TypeError,
            "Promise: bound must be a vector of real numbers, got shape (1,) of dtype object",
        ),
        ({"bound": np.array([1.0, np.nan])}, ValueError, "Promise: bound must be a number in every round, got NaN"),
    ],
)
def test_what_is_no_promise_is_refused(fields, error, message, refused):
    with refused(error, message):
        Promise(**{"statement": "Mine", "constants": "paper", "applies": True, **fields})


def test_infinite_numbers_and_lists_are_taken():
    condition = Condition("width", np.int64(5), np.inf, ">=")
    promise = Promise(
        "Mine", "paper", applies=True, conditions=[condition], bound=np.array([np.inf, 3]), notes=["n"], floor=np.inf
    )
    assert not promise.met
