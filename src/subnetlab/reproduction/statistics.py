"""One number per seed, its interval over seeds, and the verdict that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

Outcome: TypeAlias = Literal["HOLDS", "FAILS", "UNDECIDED"]
CONFIDENCE = 0.95
MOST = 0.5  # agreement from which on most comparisons go one way: three of four


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


def outcome(effect: Interval, agreement: float) -> Outcome:
    """Return HOLDS, FAILS or UNDECIDED.

    Parameters
    ----------
    effect : Interval
        A log ratio of errors over seeds, positive where the claim is true.
    agreement : float
        In [-1, 1]: the share of single comparisons that are as claimed minus the share that are the other way
        round. A trend that half of the comparisons contradict is no law, whatever its mean.
    """
    if effect.low > 0 and agreement >= MOST:
        return "HOLDS"
    return "FAILS" if effect.high < 0 and agreement <= -MOST else "UNDECIDED"


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
    position = np.arange(along.shape[-1])
    slopes = np.full(along.shape[:-1], np.nan)
    for line in np.ndindex(*along.shape[:-1]):
        known = np.isfinite(along[line])
        if known.sum() > 1:
            slopes[line] = np.polyfit(position[known], np.log(along[line][known]), 1)[0]
    lines = np.isfinite(slopes).sum(axis=1)
    return np.divide(np.nansum(slopes, axis=1), lines, out=np.full(len(lines), np.nan), where=lines > 0)


def rank_agreement(errors: FloatArray, axis: int) -> float:
    """Return Kendall's tau between the error and the position along an axis, averaged over everything else.

    +1: the error rises at every step along the axis, -1: it falls. A tie (two diverged cells) counts as 0. NaN on an
    axis of one place.

    Examples
    --------
    >>> rank_agreement(np.array([[[1.0, 2.0, 4.0]]]), axis=2)
    1.0
    """
    along = np.moveaxis(errors, axis, -1)
    if along.shape[-1] < 2:
        return float("nan")
    first, second = np.triu_indices(along.shape[-1], k=1)
    rises = along[..., second] > along[..., first]
    falls = along[..., second] < along[..., first]
    return float(np.mean(rises) - np.mean(falls))
