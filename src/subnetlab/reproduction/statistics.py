"""From one number per seed to a verdict: intervals, a smallest effect of interest, and Holm's correction.

A reproduction judges some twenty claims at once. Each decided with 95% confidence by itself, at least one of them would
be wrong more often than not where networks differ; see docs/reproduction.md for the rate simulated with these rules.

The tests assume effects that are normal over networks. With exponentially skewed ones and eight seeds, at least one of
18 verdicts is wrong in 4.5% of trials without an effect, and in 13% where the effect is the smallest of interest,
instead of in 0.7% and 1.5%. A sign-flip test, which assumes symmetry alone, decides nothing with eight seeds: its least
p-value is 2 / 2^8, and Holm's correction multiplies it by six or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.arrays import FloatArray

Outcome: TypeAlias = Literal["HOLDS", "FAILS", "UNDECIDED"]
CONFIDENCE = 0.95
FALSE_ALARMS = 0.05 / 3  # of all verdicts on a figure together, there being three figures
SMALLEST_EFFECT = 0.02  # a log ratio of errors per row, column or round: 2%; what is smaller is of no interest
MOST, EVERY = 0.5, 1.0  # agreement from which on most comparisons go one way, three of four; and all do


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95% interval (Student's t); of one seed the interval is infinite."""

    mean: float
    low: float
    high: float
    seeds: int


def interval(per_seed: FloatArray) -> Interval:
    """Return the mean of one number per seed and its 95% interval.

    Examples
    --------
    >>> interval(np.array([1.0, 1.0, 1.0]))
    Interval(mean=1.0, low=1.0, high=1.0, seeds=3)
    """
    from scipy.stats import t

    count = len(per_seed)
    mean = float(np.mean(per_seed))
    if count < 2:
        return Interval(mean, -np.inf, np.inf, count)
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1) * np.std(per_seed, ddof=1) / np.sqrt(count))
    return Interval(mean, mean - half, mean + half, count)


def p_value(per_seed: FloatArray) -> float:
    """Return how likely a mean so far from 0 is if the true one is `SMALLEST_EFFECT` in size (Student's t, two-sided).

    It assumes that the numbers are normal over seeds; skewed ones make it too small.

    Examples
    --------
    >>> p_value(np.array([0.5, 0.5, 0.5])), p_value(np.array([0.01, 0.01, 0.01])), p_value(np.array([1.0]))
    (0.0, 1.0, 1.0)
    """
    from scipy.stats import t

    count = len(per_seed)
    beyond = abs(float(np.mean(per_seed))) - SMALLEST_EFFECT
    if count < 2 or not beyond > 0:
        return 1.0
    error = float(np.std(per_seed, ddof=1) / np.sqrt(count))
    return 0.0 if error == 0 else min(1.0, 2 * float(t.sf(beyond / error, count - 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values: deciding where they are at most a, all are right with probability 1 - a.

    The smallest is multiplied by their number, the next by one less, and none is made smaller than the one before.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def outcome(effect: Interval, agreement: Interval, adjusted: float, needed: float = MOST) -> Outcome:
    """Return HOLDS, FAILS or UNDECIDED.

    Parameters
    ----------
    effect : Interval
        A log ratio of errors over seeds, positive where the claim is true.
    agreement : Interval
        In [-1, 1]: the share of single comparisons that are as claimed minus the share that are the other way
        round. A trend that half of the comparisons contradict is no law, whatever its mean.
    adjusted : float
        The effect's p-value, adjusted for all verdicts on the figure.
    needed : float, default `MOST`
        What the agreement must be, with its whole interval.
    """
    if adjusted > FALSE_ALARMS:
        return "UNDECIDED"
    if effect.mean > 0 and agreement.low >= needed:
        return "HOLDS"
    return "FAILS" if effect.mean < 0 and agreement.high <= -needed else "UNDECIDED"


def log_slope(errors: FloatArray, axis: int) -> FloatArray:
    """Return the least-squares slope of log(error) per position along an axis, averaged over the other one.

    Diverged cells (infinite errors) are left out; a line with fewer than two others has no slope; NaN
    where no line has one.

    Parameters
    ----------
    errors : ndarray, shape (S, R, C)
    axis : int
        1 for rows, 2 for columns.

    Returns
    -------
    ndarray, shape (S,)

    Examples
    --------
    >>> log_slope(np.exp([[[0.0, 0.5, 1.0]]]), axis=2)
    array([0.5])
    """
    along = np.moveaxis(errors, axis, -1)
    known = np.isfinite(along)
    count = known.sum(axis=-1, keepdims=True)
    value = np.where(known, np.log(np.where(known, along, 1.0)), 0.0)
    position = np.where(known, np.arange(along.shape[-1]), 0.0)
    centred = np.where(known, position - position.sum(axis=-1, keepdims=True) / np.maximum(count, 1), 0.0)
    spread = np.sum(centred**2, axis=-1)
    slopes = np.divide(np.sum(centred * value, axis=-1), spread, out=np.full(spread.shape, np.nan), where=spread > 0)
    lines = np.isfinite(slopes).sum(axis=1)
    return np.divide(np.nansum(slopes, axis=1), lines, out=np.full(len(lines), np.nan), where=lines > 0)


def rank_agreements(errors: FloatArray, axis: int) -> FloatArray:
    """Return Kendall's tau between the error and the position along an axis, averaged over the other one, per seed.

    +1: the error rises at every step along the axis, -1: it falls. A tie (two diverged cells) counts as 0. NaN on an
    axis of one place.

    Returns
    -------
    ndarray, shape (S,)

    Examples
    --------
    >>> rank_agreements(np.array([[[1.0, 2.0, 4.0]]]), axis=2)
    array([1.])
    """
    along = np.moveaxis(errors, axis, -1)
    if along.shape[-1] < 2:
        return np.full(len(along), np.nan)
    first, second = np.triu_indices(along.shape[-1], k=1)
    rises = along[..., second] > along[..., first]
    falls = along[..., second] < along[..., first]
    return np.mean(rises, axis=(1, 2)) - np.mean(falls, axis=(1, 2))


def rank_agreement(errors: FloatArray, axis: int) -> float:
    """Return the mean over seeds of `rank_agreements`.

    Examples
    --------
    >>> rank_agreement(np.array([[[1.0, 2.0, 4.0]]]), axis=2)
    1.0
    """
    return float(np.mean(rank_agreements(errors, axis)))
