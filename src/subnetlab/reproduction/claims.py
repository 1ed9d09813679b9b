"""The claims that Section 5 makes of Figures 2a, 2b and 2c, each as a statistic that is positive where it is true."""

from __future__ import annotations

import csv
import io
import itertools
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import atomic_file
from .grids import MEASURES
from .statistics import Interval, Outcome, interval, log_slope, outcome, rank_agreement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..core.arrays import FloatArray
    from .grids import ErrorGrid

    Reading = Callable[..., FloatArray]  # of an `ErrorGrid`: a measure and rounds to errors (S, R, C)

ROWS, COLUMNS = 1, 2  # axes of errors (S, R, C)


@dataclass(frozen=True)
class Verdict:
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


def dynamics_verdicts(sampled: FloatArray, local: FloatArray, full: FloatArray) -> list[Verdict]:
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


def bernoulli_verdicts(grid: ErrorGrid, *, rounds: int) -> list[Verdict]:
    """Judge Figure 2b: the error falls with xi at fixed p, and with p at fixed xi."""
    claims = {
        "error falls as the selection probability grows, at fixed p": (COLUMNS, -1.0),
        "error falls as the number of subnetworks grows, at fixed xi": (ROWS, -1.0),
    }
    return _grid_verdicts("2b", claims, {"final rounds": grid.final}, rounds)


def categorical_verdicts(grid: ErrorGrid, *, rounds: int) -> list[Verdict]:
    """Judge Figure 2c: the error rises with p, and with tau; at equal rounds and at equal local steps."""
    claims = {
        "error rises as the number of subnetworks grows, at fixed tau": (ROWS, 1.0),
        "error rises as the number of local steps grows, at fixed p": (COLUMNS, 1.0),
    }
    protocols = {"equal rounds K": grid.final, "equal steps K tau": grid.at_equal_steps}
    return _grid_verdicts("2c", claims, protocols, rounds)


def write_verdicts(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the records of verdicts as CSV, one line each."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_file(path) as file:
        file.write(text.getvalue().encode())


def _grid_verdicts(
    figure: str, claims: dict[str, tuple[int, float]], protocols: dict[str, Reading], rounds: int
) -> list[Verdict]:
    """Judge each claim (an axis, and +1 where the error rises along it) by each protocol and measure."""
    verdicts: list[Verdict] = []
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
) -> Verdict:
    effect = interval(per_seed)
    return Verdict(figure, claim, measure, protocol, effect_of, effect, agreement, outcome(effect, agreement))
