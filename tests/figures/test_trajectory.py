"""The three kinds of change of Figure 2a, worked out by hand."""

import numpy as np

from subnetlab.figures.trajectory import find_changes


def changes(sampled, local, full):
    return [kind.tolist() for kind in find_changes(np.array(sampled), np.array(local), np.array(full))]


def test_all_three_kinds():
    """Each round: local steps 8 -> 6 -> 5 (the last by a factor 1.2), aggregation to 3, re-sampling to 8."""
    found = changes([8.0, 8.0], [[6.0, 5.0], [6.0, 5.0]], [9.0, 3.0, 3.0])
    assert found == [[True, True], [True, True], [True, False]]  # no sampling follows the last round


def test_one_rising_local_step_is_no_smooth_decrease():
    assert changes([8.0, 8.0], [[6.0, 6.1], [6.0, 6.0]], [9.0, 3.0, 3.0])[0] == [False, False]


def test_jumps_no_larger_than_the_local_step_before_are_not_sudden():
    """The last local step divides by 2: an aggregation by 1.9 is none, by 2.1 is; a re-sampling likewise."""
    sampled, local = [8.0, 4.0 / 1.9 * 1.9, 4.0], [[8.0, 4.0], [8.0, 4.0], [8.0, 4.0]]
    assert changes(sampled, local, [9.0, 4.0 / 1.9, 4.0 / 2.1, 4.0 / 1.9])[1:] == [
        [False, True, False],
        [False, True, False],  # 1.9 from the first aggregation, 2.1 from the second
    ]


def test_jumps_in_the_other_direction_are_not_marked():
    """Aggregation raises the error, re-sampling lowers it."""
    assert changes([8.0, 7.0], [[6.0], [6.0]], [9.0, 20.0, 20.0])[1:] == [[False, False], [False, False]]


def test_an_error_of_zero():
    """The local steps reach 0, so the last is an infinite fall: nothing falls faster; from 0 every rise is one."""
    found = changes([8.0, 8.0], [[4.0, 0.0], [4.0, 2.0]], [9.0, 0.0, 1e-300])
    assert found[1:] == [[False, True], [False, False]]
    assert changes([8.0, 8.0], [[4.0], [4.0]], [9.0, 0.0, 0.0])[1:] == [[True, True], [True, False]]


def test_gradient_descent_shows_the_first_kind_only():
    """One subnetwork with all neurons: sampling and aggregation change nothing."""
    u = np.exp(-0.1 * np.arange(5.0))
    assert changes(u[:-1], u[1:, None], u) == [[True] * 4, [False] * 4, [False] * 4]
