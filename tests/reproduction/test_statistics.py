import math

import numpy as np
import pytest

from subnetlab.reproduction.statistics import Interval, holm, interval, log_slope, outcome, p_value, rank_agreement


def test_interval_by_hand():
    # mean 2, standard deviation 1, n = 3: half width t(0.975, 2) / sqrt 3 = 4.302653 / 1.732051
    value = interval(np.array([1.0, 2.0, 3.0]))
    assert value.mean == 2 and value.seeds == 3
    assert value.high - value.mean == pytest.approx(4.302652729911275 / math.sqrt(3))
    assert value.mean - value.low == pytest.approx(value.high - value.mean)


def test_one_seed_decides_nothing():
    value = interval(np.array([5.0]))
    assert (value.low, value.high) == (-math.inf, math.inf)
    assert p_value(np.array([5.0])) == 1
    assert outcome(value, value, 1.0) == "UNDECIDED"


@pytest.mark.parametrize(
    ("mean", "adjusted", "agreement", "expected"),
    [
        (0.2, 0.001, (0.5, 0.9), "HOLDS"),
        (0.2, 0.001, (0.4, 1.0), "UNDECIDED"),  # a trend that too many comparisons may contradict
        (0.2, 0.02, (1.0, 1.0), "UNDECIDED"),  # one of three figures: 5% / 3
        (-0.2, 0.001, (-0.9, -0.5), "FAILS"),
        (-0.2, 0.001, (-0.9, -0.4), "UNDECIDED"),
        (-0.2, 0.001, (1.0, 1.0), "UNDECIDED"),
    ],
)
def test_outcome(mean, adjusted, agreement, expected):
    low, high = agreement
    middle = Interval((low + high) / 2, low, high, 8)
    assert outcome(Interval(mean, mean - 0.1, mean + 0.1, 8), middle, adjusted) == expected


def test_p_value_by_hand():
    """Mean 0.12, standard deviation 0.1, n = 4: 0.1 beyond the smallest effect, two standard errors of 0.05."""
    from scipy.stats import t

    values = 0.12 + 0.1 * np.array([-1.0, -1.0, 1.0, 1.0]) * math.sqrt(3 / 4)
    assert p_value(values) == pytest.approx(2 * t.sf(2, 3))
    assert p_value(-values) == p_value(values)
    assert p_value(values - 0.11) == 1


def test_holm_by_hand():
    assert holm([0.04, 0.001, 0.5, 0.02]) == pytest.approx([0.08, 0.004, 0.5, 0.06])
    assert holm([0.3, 0.3]) == [0.6, 0.6]
    assert holm([]) == []


def made_up(draw, seeds):
    """18 statistics, three of each claim, of networks that differ: no effect, but every network has one of its own."""
    own = draw(size=(seeds, 6, 1))  # what the three errors of a claim share
    return 0.1 * (math.sqrt(0.5) * own + math.sqrt(0.5) * draw(size=(seeds, 6, 3))).reshape(seeds, 18)


def decides_something(statistics):
    """Whether the six verdicts on Figure 2b, or the twelve on 2c, say anything but UNDECIDED."""
    sure = Interval(1.0, 1.0, 1.0, 8), Interval(-1.0, -1.0, -1.0, 8)  # the agreement stops none of them
    return any(
        outcome(interval(column), sure[int(column.mean() < 0)], p) != "UNDECIDED"
        for part in (statistics[:, :6], statistics[:, 6:])
        for column, p in zip(part.T, holm([p_value(column) for column in part.T]), strict=True)
    )


def test_false_alarms_are_rare_where_networks_differ():
    """No effect at all. With 3 seeds and single intervals, as before, one of 18 was wrong in half the cases."""
    rng = np.random.default_rng(0)
    before, now, trials = 0, 0, 400
    for _ in range(trials):
        few, many = made_up(rng.normal, 3), made_up(rng.normal, 8)
        before += any(value.low > 0 or value.high < 0 for value in map(interval, few.T))
        now += decides_something(many)
    assert 0.4 < before / trials < 0.65
    assert now / trials < 0.05


def test_false_alarms_are_as_many_as_documented_where_effects_are_skewed():
    """The t-test assumes normal effects: docs/reproduction.md names 4.5%, with an agreement that stops some."""
    rng = np.random.default_rng(0)
    alarms = sum(decides_something(made_up(lambda size: rng.exponential(size=size) - 1, 8)) for _ in range(1000))
    assert 0.03 < alarms / 1000 < 0.09


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
