"""The three kinds of change that Section 5 of the paper annotates in Figure 2a, looked for in the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray


class Changes(NamedTuple):
    """In which rounds each kind of change happens, arrays of shape (K,).

    Parameters
    ----------
    local_decrease : ndarray of bool
        (1) Every local step of the round lowers the error.
    aggregation_drop : ndarray of bool
        (2) The error falls from the last local step to the aggregation, by a larger factor than the last local
        step changed it.
    resampling_rise : ndarray of bool
        (3) The error rises from the aggregation to the next sampling, by a larger factor than the last local
        step changed it. Never so in the last round, which no sampling follows.
    """

    local_decrease: BoolArray
    aggregation_drop: BoolArray
    resampling_rise: BoolArray


def find_changes(sampled: FloatArray, local: FloatArray, full: FloatArray) -> Changes:
    """Return where the three kinds of change happen.

    "Sudden" is measured against the step of local training just before: a jump counts if it is larger.

    Parameters
    ----------
    sampled : ndarray, shape (K,)
        Error after sampling; none of the errors is negative.
    local : ndarray, shape (K, tau)
        Error after each local step.
    full : ndarray, shape (K + 1,)
        Error before round 0 and after each aggregation.

    Examples
    --------
    >>> changes = find_changes(np.array([9.0, 5.0]), np.array([[8.0], [6.0]]), np.array([9.0, 3.0, 2.0]))
    >>> changes.local_decrease, changes.aggregation_drop, changes.resampling_rise
    (array([ True, False]), array([ True,  True]), array([ True, False]))
    """
    inside = np.column_stack([sampled, local])  # (K, tau + 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # log 0 = -inf; a comparison with nan is False
        step = np.abs(np.log(inside[:, -1] / inside[:, -2]))
        drop = np.log(local[:, -1] / full[1:])
        rise = np.append(np.log(sampled[1:] / full[1:-1]), -np.inf)
    return Changes(
        local_decrease=np.all(np.diff(inside, axis=1) < 0, axis=1),
        aggregation_drop=drop > step,
        resampling_rise=rise > step,
    )
