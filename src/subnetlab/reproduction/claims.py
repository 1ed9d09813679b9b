"""The claims that Section 5 makes of Figures 2a, 2b and 2c, each as a statistic that is positive where it is true.

A statistic is one number per seed; `statistics` makes verdicts of them, all on a figure together.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import atomic_file, csv_text
from .results import MEASURES
from .statistics import (
    EVERY,
    MOST,
    Interval,
    Outcome,
    holm,
    interval,
    log_slope,
    outcome,
    p_value,
    rank_agreement,
    rank_agreements,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..core.arrays import FloatArray
    from .results import ErrorGrid

    Reading = Callable[..., FloatArray]  # of an `ErrorGrid`: a measure and rounds to errors (S, R, C)

__all__ = ["Interval", "Outcome", "interval", "log_slope", "outcome", "rank_agreement"]  # these live in statistics

ROWS, COLUMNS = 1, 2  # axes of errors (S, R, C)


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
    agreement : Interval
        Share of single comparisons as claimed minus share the other way round.
    needed : float
        What the agreement must be.
    p_value : float
        How likely such an effect is if the true one is the smallest of interest; for all verdicts on the figure
        adjusted by Holm's method.
    outcome : {"HOLDS", "FAILS", "UNDECIDED"}
    """

    figure: str
    claim: str
    measure: str
    protocol: str
    effect_of: str
    effect: Interval
    agreement: Interval
    needed: float
    p_value: float
    outcome: Outcome

    def as_row(self) -> dict[str, Any]:
        """Return the verdict as a flat record; a number that is not finite is None, since JSON has no such numbers."""
        row = asdict(self)
        numbers = {f"effect_{name}": value for name, value in row.pop("effect").items() if name != "seeds"}
        agreement = row.pop("agreement")
        numbers |= {"agreement": agreement["mean"], **{f"agreement_{end}": agreement[end] for end in ("low", "high")}}
        return {**row, **{k: v if math.isfinite(v) else None for k, v in numbers.items()}, "seeds": self.effect.seeds}


def dynamics_verdicts(sampled: FloatArray, local: FloatArray, full: FloatArray) -> list[ClaimVerdict]:
    """Judge the three kinds of change of Figure 2a; see `dynamics_tests`."""
    return decided(dynamics_tests(sampled, local, full))


def dynamics_tests(sampled: FloatArray, local: FloatArray, full: FloatArray) -> list[ClaimVerdict]:
    """Test the three kinds of change of Figure 2a; `decided` makes verdicts of all tests on a figure together.

    Parameters
    ----------
    sampled : ndarray, shape (S, K)
    local : ndarray, shape (S, K, tau)
    full : ndarray, shape (S, K + 1)
    """
    inside = np.log(np.concatenate([sampled[..., np.newaxis], local], axis=-1))
    after = np.log(full)
    changes = {
        ("error decreases during local training", "first to last local step", MOST): inside[..., 0] - inside[..., -1],
        ("the decrease in local training is smooth", "every local step", EVERY): -np.diff(inside, axis=-1),
        ("error drops at aggregation", "last local step to aggregation", MOST): inside[..., -1] - after[:, 1:],
        ("error jumps up at re-sampling", "aggregation to next sampling", MOST): inside[:, 1:, 0] - after[:, 1:-1],
    }
    verdicts: list[ClaimVerdict] = []
    for (claim, when, needed), change in changes.items():
        flat = change.reshape(len(change), -1)
        nothing = np.full(len(change), np.nan)  # of one round, nothing is sampled again
        verdicts.append(
            judged_by(
                ("2a", claim, when, "every round"),
                "log ratio of the errors, mean over rounds",
                flat.mean(axis=1) if change.size else nothing,
                np.sign(flat).mean(axis=1) if change.size else nothing,
                needed,
            )
        )
    return verdicts


def bernoulli_verdicts(grid: ErrorGrid, *, rounds: int) -> list[ClaimVerdict]:
    """Judge Figure 2b: the error falls with xi at fixed p, and with p at fixed xi."""
    return decided(bernoulli_tests(grid, rounds=rounds))


def bernoulli_tests(grid: ErrorGrid, *, rounds: int) -> list[ClaimVerdict]:
    """Test what `bernoulli_verdicts` judges."""
    claims = {
        "error falls as the selection probability grows, at fixed p": (COLUMNS, -1.0),
        "error falls as the number of subnetworks grows, at fixed xi": (ROWS, -1.0),
    }
    return _grid_tests("2b", claims, {"final rounds": grid.at_end}, rounds)


def categorical_verdicts(grid: ErrorGrid, *, rounds: int) -> list[ClaimVerdict]:
    """Judge Figure 2c: the error rises with p, and with tau; at equal rounds and at equal local steps."""
    return decided(categorical_tests(grid, rounds=rounds))


def categorical_tests(grid: ErrorGrid, *, rounds: int) -> list[ClaimVerdict]:
    """Test what `categorical_verdicts` judges."""
    claims = {
        "error rises as the number of subnetworks grows, at fixed tau": (ROWS, 1.0),
        "error rises as the number of local steps grows, at fixed p": (COLUMNS, 1.0),
    }
    protocols = {"equal rounds K": grid.at_end, "equal steps K tau": grid.at_equal_steps}
    return _grid_tests("2c", claims, protocols, rounds)


def write_verdicts(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the records of verdicts as CSV, one line each; those of earlier versions lack some columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(path) as file:
        file.write(csv_text(names, ([row.get(name) for name in names] for row in rows)).encode())


def _grid_tests(
    figure: str, claims: dict[str, tuple[int, float]], protocols: dict[str, Reading], rounds: int
) -> list[ClaimVerdict]:
    """Test each claim (an axis, and +1 where the error rises along it) by each protocol and measure."""
    verdicts: list[ClaimVerdict] = []
    for (claim, (axis, direction)), (protocol, read) in itertools.product(claims.items(), protocols.items()):
        for measure, name in MEASURES.items():
            errors = read(measure, rounds=rounds)
            verdicts.append(
                judged_by(
                    (figure, claim, name, protocol),
                    "slope of the log error per column or row, in the direction claimed",
                    direction * log_slope(errors, axis),
                    direction * rank_agreements(errors, axis),
                )
            )
    return verdicts


def decided(verdicts: Sequence[ClaimVerdict]) -> list[ClaimVerdict]:
    """Return the verdicts on a figure with outcomes, after their p-values are adjusted for being so many."""
    adjusted = holm([verdict.p_value for verdict in verdicts])
    return [
        replace(v, p_value=p, outcome=outcome(v.effect, v.agreement, p, v.needed))
        for v, p in zip(verdicts, adjusted, strict=True)
    ]


def judged_by(
    where: tuple[str, str, str, str],
    effect_of: str,
    effects: FloatArray,
    agreements: FloatArray,
    needed: float = MOST,
) -> ClaimVerdict:
    """Return a claim with its test and no outcome yet; where is its figure, words, measure and protocol."""
    return ClaimVerdict(
        *where, effect_of, interval(effects), interval(agreements), needed, p_value(effects), "UNDECIDED"
    )
