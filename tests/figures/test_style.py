"""Ticks of logarithmic axes."""

import math

import matplotlib.figure
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnetlab.figures.style import log_ticks, power_of_ten, set_log_ticks


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.floats(-30, 30), st.floats(0.001, 30), st.integers(4, 8))
def test_ticks_are_inside_in_order_and_no_more_than_asked(exponent, decades, most):
    low, high = 10.0**exponent, 10.0 ** (exponent + decades)
    ticks = log_ticks(low, high, most)
    assert 1 <= len(ticks) <= most
    assert all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (1.0, 10.0, 6, [1.0, 2.0, 3.0, 5.0, 10.0]),
        (1.0, 100.0, 7, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]),
        (1.0, 100.0, 6, [1.0, 3.0, 10.0, 30.0, 100.0]),
        (1.0, 1e4, 5, [1.0, 10.0, 100.0, 1e3, 1e4]),
        (1.0, 1e8, 5, [1.0, 1e2, 1e4, 1e6, 1e8]),
        (0.7, 0.9, 4, [0.7, 0.8, 0.9]),
    ],
)
def test_by_hand(low, high, most, ticks):
    assert log_ticks(low, high, most) == ticks


def test_powers_of_ten():
    values = (1.0, 1e-20, 3e5, 2.5e-7, 1e5 * (1 - 2**-53))
    words = ["$10^{0}$", "$10^{-20}$", r"$3{\times}10^{5}$", r"$2.5{\times}10^{-7}$", "$10^{5}$"]
    assert [power_of_ten(value) for value in values] == words


@pytest.mark.parametrize(("low", "high", "first"), [(0.5, 60.0, "0.5"), (1e-9, 1e-2, "$10^{-8}$")])
def test_labels_are_plain_where_all_are_short(low, high, first):
    ax = matplotlib.figure.Figure().subplots()
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    set_log_ticks(ax.yaxis, low, high, most=7)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == first
    assert len({label.startswith("$") for label in labels}) == 1
    assert math.isclose(ax.get_ylim()[0], low)
