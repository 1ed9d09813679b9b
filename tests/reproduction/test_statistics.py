import math

import numpy as np
import pytest

from subnetlab.reproduction.claims import Interval, interval, log_slope, outcome, rank_agreement


def test_interval_by_hand():
    # mean 2, standard deviation 1, n = 3: half width t(0.975, 2) / sqrt 3 = 4.302653 / 1.732051
    value = interval(np.array([1.0, 2.0, 3.0]))
    assert value.mean == 2 and value.seeds == 3
    assert value.high - value.mean == pytest.approx(4.302652729911275 / math.sqrt(3))
    assert value.mean - value.low == pytest.approx(value.high - value.mean)


def test_one_seed_decides_nothing():
    value = interval(np.array([5.0]))
    assert (value.low, value.high) == (-math.inf, math.inf)
    assert outcome(value, 1.0) == "UNDECIDED"


@pytest.mark.parametrize(
    ("low", "high", "agreement", "expected"),
    [
        (0.1, 0.3, 0.5, "HOLDS"),
        (0.1, 0.3, 0.4, "UNDECIDED"),  # a trend that too many comparisons contradict
        (-0.1, 0.3, 1.0, "UNDECIDED"),
        (-0.3, -0.1, -0.5, "FAILS"),
        (-0.3, -0.1, -0.4, "UNDECIDED"),
        (-0.3, -0.1, 1.0, "UNDECIDED"),
    ],
)
def test_outcome(low, high, agreement, expected):
    assert outcome(Interval((low + high) / 2, low, high, 3), agreement) == expected


def test_log_slope_recovers_exponential_growth_along_either_axis():
    rows, columns = np.arange(4)[:, None], np.arange(5)
    errors = np.exp(0.3 * rows - 0.7 * columns)[None] * np.array([1.0, 2.0])[:, None, None]
    np.testing.assert_allclose(log_slope(errors, axis=1), [0.3, 0.3])
    np.testing.assert_allclose(log_slope(errors, axis=2), [-0.7, -0.7])


def test_diverged_cells_are_left_out_of_slopes_and_counted_in_ranks():
    errors = np.exp([[[0.0, 1.0, np.inf], [np.inf, np.inf, 3.0]]])
    np.testing.assert_allclose(log_slope(errors, axis=2), [1.0])  # the second line has one finite cell
    # line 1: three rises; line 2: a tie and two falls
    assert rank_agreement(errors, axis=2) == pytest.approx((3 - 2) / 6)


def test_rank_agreement_is_the_mean_kendall_tau_without_ties():
    from scipy.stats import kendalltau

    errors = np.random.default_rng(0).random((3, 4, 5))
    taus = [kendalltau(np.arange(5), line).statistic for line in errors.reshape(-1, 5)]
    assert rank_agreement(errors, axis=2) == pytest.approx(np.mean(taus))


def test_a_grid_of_one_cell_has_no_trend():
    one = np.ones((3, 1, 1))
    assert np.isnan(log_slope(one, axis=1)).all() and math.isnan(rank_agreement(one, axis=2))
    half = np.exp([[[0.0, 1.0], [np.inf, 2.0]], [[np.inf, 1.0], [np.inf, 2.0]]])  # the second seed has no line of two
    np.testing.assert_allclose(log_slope(half, axis=2), [1, np.nan])
