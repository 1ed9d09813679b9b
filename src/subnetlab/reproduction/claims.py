"""The claims that Section 5 makes of Figures 2a, 2b and 2c, each as a statistic that is positive where it is true.

A statistic is one number per seed; the verdict follows from its interval over seeds.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ..atomic import atomic_file, csv_text
from .results import MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..core.arrays import FloatArray
    from .results import ErrorGrid

    Reading = Callable[..., FloatArray]  # of an `ErrorGrid`: a measure and rounds to errors (S, R, C)

ROWS, COLUMNS = 1, 2  # axes of errors (S, R, C)
Outcome: TypeAlias = Literal["HOLDS", "FAILS", "UNDECIDED"]
CONFIDENCE = 0.95
MOST = 0.5  # agreement from which on most comparisons go one way: three of four


@dataclass(frozen=True)
class ClaimVerdict:
    """One claim, tested on one measure.

    Parameters
    ----------
    figure, claim : str
        Where the paper makes it, and its words in short.
    measure, protocol : str
        Which error was read, and when.
    effect_of : str
        What ``effect`` is; it is positive where the claim is true.
    effect : Interval
    agreement : float
        Share of single comparisons as claimed minus share the other way round.
    outcome : {"HOLDS", "FAILS", "UNDECIDED"}
    """

    figure: str
    claim: str
    measure: str
    protocol: str
    effect_of: str
    effect: Interval
    agreement: float
    outcome: Outcome

    def as_row(self) -> dict[str, Any]:
        """Return the verdict as a flat record; a number that is not finite is None, since JSON has no such numbers."""
        row = asdict(self)
        effect = {f"effect_{name}": value for name, value in row.pop("effect").items() if name != "seeds"}
        numbers = {"agreement": self.agreement, **effect}
        return {**row, **{k: v if math.isfinite(v) else None for k, v in numbers.items()}, "seeds": self.effect.seeds}


def dynamics_verdicts(sampled: FloatArray, local: FloatArray, full: FloatArray) -> list[ClaimVerdict]:
    """Judge the three kinds of change of Figure 2a.

    Parameters
    ----------
    sampled : ndarray, shape (S, K)
    local : ndarray, shape (S, K, tau)
    full : ndarray, shape (S, K + 1)
    """
    inside = np.log(np.concatenate([sampled[..., np.newaxis], local], axis=-1))
    after = np.log(full)
    changes = {
        ("error decreases during local training", "first to last local step"): inside[..., 0] - inside[..., -1],
        ("the decrease in local training is smooth", "every local step"): -np.diff(inside, axis=-1),
        ("error drops at aggregation", "last local step to aggregation"): inside[..., -1] - after[:, 1:],
        ("error jumps up at re-sampling", "aggregation to next sampling"): inside[:, 1:, 0] - after[:, 1:-1],
    }
    return [
        _verdict(
            "2a",
            claim,
            when,
            "every round",
            "log ratio of the errors, mean over rounds",
            change.reshape(len(change), -1).mean(axis=1) if change.size else np.full(len(change), np.nan),
            float(np.sign(change).mean()) if change.size else np.nan,  # of one round, nothing is sampled again
        )
        for (claim, when), change in changes.items()
    ]


def bernoulli_verdicts(grid: ErrorGrid, *, rounds: int) -> list[ClaimVerdict]:
    """Judge Figure 2b: the error falls with xi at fixed p, and with p at fixed xi."""
    claims = {
        "error falls as the selection probability grows, at fixed p": (COLUMNS, -1.0),
        "error falls as the number of subnetworks grows, at fixed xi": (ROWS, -1.0),
    }
    return _grid_verdicts("2b", claims, {"final rounds": grid.final}, rounds)


def categorical_verdicts(grid: ErrorGrid, *, rounds: int) -> list[ClaimVerdict]:
    """Judge Figure 2c: the error rises with p, and with tau; at equal rounds and at equal local steps."""
    claims = {
        "error rises as the number of subnetworks grows, at fixed tau": (ROWS, 1.0),
        "error rises as the number of local steps grows, at fixed p": (COLUMNS, 1.0),
    }
    protocols = {"equal rounds K": grid.final, "equal steps K tau": grid.at_equal_steps}
    return _grid_verdicts("2c", claims, protocols, rounds)


def write_verdicts(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the records of verdicts as CSV, one line each."""
    with atomic_file(path) as file:
        file.write(csv_text(rows[0], ([row[name] for name in rows[0]] for row in rows)).encode())


def _grid_verdicts(
    figure: str, claims: dict[str, tuple[int, float]], protocols: dict[str, Reading], rounds: int
) -> list[ClaimVerdict]:
    """Judge each claim (an axis, and +1 where the error rises along it) by each protocol and measure."""
    verdicts: list[ClaimVerdict] = []
    for (claim, (axis, direction)), (protocol, read) in itertools.product(claims.items(), protocols.items()):
        for measure, name in MEASURES.items():
            errors = read(measure, rounds=rounds)
            verdicts.append(
                _verdict(
                    figure,
                    claim,
                    name,
                    protocol,
                    "slope of the log error per column or row, in the direction claimed",
                    direction * log_slope(errors, axis),
                    direction * rank_agreement(errors, axis),
                )
            )
    return verdicts


def _verdict(
    figure: str, claim: str, measure: str, protocol: str, effect_of: str, per_seed: FloatArray, agreement: float
) -> ClaimVerdict:
    effect = interval(per_seed)
    return ClaimVerdict(figure, claim, measure, protocol, effect_of, effect, agreement, outcome(effect, agreement))


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
