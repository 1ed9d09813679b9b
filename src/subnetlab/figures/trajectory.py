"""The errors of a run in the order in which they arise, and the changes that Section 5 of the paper sees in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from .style import Table

# Where things happen inside a round of length 1; the sampling is at 0.
LOCAL_END, AGGREGATION = 0.5, 0.75


@dataclass(frozen=True)
class Trajectory:
    """The points to draw, N = 1 + K (tau + 2) of them.

    Parameters
    ----------
    position : ndarray, shape (N,)
        On the axis of rounds: round k samples at k, its local steps follow up to k + 1/2, it aggregates at
        k + 3/4. The state before round 0 is at -1/4.
    round : ndarray of int, shape (N,)
    event : list of N words
        "initial", "sampling", "local step" or "aggregation".
    local_step : ndarray of int, shape (N,)
        Local steps made so far in the round.
    mean, variance : ndarray, shape (N,)
        Over the S repetitions; the variance is divided by S - 1 and nan for S = 1.
    """

    position: FloatArray
    round: IntArray
    event: list[str]
    local_step: IntArray
    mean: FloatArray
    variance: FloatArray

    def at(self, *events: str) -> BoolArray:
        """Return which points belong to one of the events."""
        return np.isin(self.event, events)

    def table(self) -> Table:
        """Return one row per point."""
        return {
            "position": self.position.tolist(),
            "round": self.round.tolist(),
            "event": self.event,
            "local_step": self.local_step.tolist(),
            "mean": self.mean.tolist(),
            "variance": self.variance.tolist(),
        }


def make_trajectory(sampled: FloatArray, local: FloatArray, full: FloatArray) -> Trajectory:
    """Return the points of S repetitions.

    Parameters
    ----------
    sampled : ndarray, shape (S, K)
    local : ndarray, shape (S, K, tau)
    full : ndarray, shape (S, K + 1)
    """
    S, K, tau = local.shape
    inside = np.concatenate([[0.0], LOCAL_END * np.arange(1, tau + 1) / tau, [AGGREGATION]])
    per_round = np.concatenate([sampled[:, :, None], local, full[:, 1:, None]], axis=2)  # (S, K, tau + 2)
    errors = np.concatenate([full[:, :1], per_round.reshape(S, -1)], axis=1)
    return Trajectory(
        position=np.append(AGGREGATION - 1, (np.arange(K)[:, None] + inside).ravel()),
        round=np.append(0, np.repeat(np.arange(K), tau + 2)),
        event=["initial", *["sampling", *["local step"] * tau, "aggregation"] * K],
        local_step=np.append(0, np.tile(np.minimum(np.arange(tau + 2), tau), K)),
        mean=errors.mean(axis=0),
        # measured from the first repetition, so that equal ones have variance 0 to the last bit
        variance=np.var(errors - errors[:1], axis=0, ddof=1) if S > 1 else np.full(errors.shape[1], np.nan),
    )


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
