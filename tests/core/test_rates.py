"""Local steps of workers that are not equally fast."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subnetlab.core.rates import check_rates, equal_share, steps_at_rates


@given(length=st.integers(0, 50), workers=st.integers(1, 12))
def test_equal_shares_are_a_partition_as_even_as_it_can_be(length, workers):
    shares = [range(*equal_share(length, worker, workers)) for worker in range(workers)]
    assert [i for share in shares for i in share] == list(range(length))
    assert {len(share) for share in shares} <= {length // workers, -(-length // workers)}


@given(quarters=st.lists(st.integers(1, 4), min_size=1, max_size=6), more=st.integers(0, 6), tau=st.integers(1, 40))
def test_steps_are_the_rate_times_tau_and_at_least_one(quarters, more, tau):
    p, rates = len(quarters) + more, [quarter / 4 for quarter in quarters]
    steps = steps_at_rates(rates, p, tau)
    assert len(steps) == p
    for l in range(p):
        worker = max(w for w in range(len(rates)) if len(rates) * l >= w * p - (w * p) % len(rates))
        exact = Fraction(quarters[worker], 4) * tau
        assert steps[l] == 1 or abs(steps[l] - exact) <= Fraction(1, 2)
    assert steps_at_rates(None, p, tau) == (tau,) * p


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (0.5, "launch: rates must be"),
        ((1, 0.0), r"launch: rates must be in \(0, 1\], the fastest worker's 1, got 0.0"),
        ((2,), r"launch: rates must be in \(0, 1\], the fastest worker's 1, got 2"),
        ((1, float("nan")), "launch: rates must be"),
        ((True,), "launch: rates must be"),
    ],
)
def test_rates_are_refused_by_name(rates, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_rates("launch", rates)
