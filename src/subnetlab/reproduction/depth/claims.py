"""The verdicts on depth: the paper's claims for every network and loss, and what depth adds, method by method.

All verdicts on one of the paper's figures are adjusted by Holm's method together, over all networks and losses; so are
all on methods. With probability 95% none of them is wrong by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..claims import bernoulli_tests, categorical_tests, decided, dynamics_tests, judged_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...core.arrays import FloatArray
    from ..claims import ClaimVerdict
    from ..results import ErrorGrid

ADDED = (
    ("cutting every second layer lowers the error", "ist", "alternate"),
    ("scale 1/2 lowers the error of scale 0", "scale_0", "scale_half"),
    ("scale 1 lowers the error of scale 1/2", "scale_half", "ist"),
    ("momentum that travels lowers the error", "reset", "travels"),
    ("the large network in parts has a lower error than a small one", "small", "ist"),
)
"""What depth adds: a claim, and the two methods whose errors are compared; the second is said to have the lower one."""

MEASURES = {"training loss": "final_full_error", "errors on rows held out": "final_accuracy"}


@dataclass(frozen=True)
class DepthVerdict:
    """A verdict on one network.

    Parameters
    ----------
    network, loss : str
    verdict : ClaimVerdict
    """

    network: str
    loss: str
    verdict: ClaimVerdict

    def as_row(self) -> dict[str, Any]:
        """Return it as a flat record."""
        return {"network": self.network, "loss": self.loss, **self.verdict.as_row()}


def paper_verdicts(
    grids: Mapping[tuple[str, str], tuple[ErrorGrid, ErrorGrid]],
    curves: Mapping[tuple[str, str], tuple[FloatArray, FloatArray, FloatArray] | None],
    *,
    rounds: int,
) -> list[DepthVerdict]:
    """Judge every claim of Section 5 for every network and loss.

    Parameters
    ----------
    grids : mapping from (network, loss) to the grids of Figures 2b and 2c
    curves : mapping from (network, loss) to errors inside rounds as `dynamics_tests` takes them
        None where a run diverged: then there is nothing to judge.
    rounds : int
        The last ones, whose geometric mean is the error of a cell.
    """
    verdicts: list[DepthVerdict] = []
    inside = {place: dynamics_tests(*found) for place, found in curves.items() if found is not None}
    bernoulli = {place: bernoulli_tests(grid, rounds=rounds) for place, (grid, _) in grids.items()}
    categorical = {place: categorical_tests(grid, rounds=rounds) for place, (_, grid) in grids.items()}
    for tests in (inside, bernoulli, categorical):
        verdicts += _together(tests)
    return verdicts


def method_verdicts(finals: Mapping[tuple[str, int], Mapping[str, FloatArray]]) -> list[DepthVerdict]:
    """Judge what depth adds.

    Parameters
    ----------
    finals : mapping from (method, depth) to final values by name, one per seed
    """
    tests: dict[tuple[str, str], list[ClaimVerdict]] = {}
    for depth in dict.fromkeys(depth for _, depth in finals):
        own = tests.setdefault((f"{depth} layer{'s' * (depth > 1)}", "cross_entropy"), [])
        for claim, worse, better in ADDED:
            for measure, name in MEASURES.items():
                ratio = log_error(finals[worse, depth], name) - log_error(finals[better, depth], name)
                where = ("methods", claim, measure, "equal rows")
                own.append(judged_by(where, "log ratio of the errors", ratio, np.sign(ratio)))
    return _together(tests)


def log_error(finals: Mapping[str, FloatArray], name: str) -> FloatArray:
    """Return the log of an error per seed; of an accuracy, of the share of rows that are wrong.

    Examples
    --------
    >>> log_error({"final_accuracy": np.array([0.9])}, "final_accuracy").round(3)
    array([-2.303])
    """
    values = np.asarray(finals[name], dtype=np.float64)
    return np.log(np.clip(1 - values, 1e-4, None) if name == "final_accuracy" else values)


def _together(tests: Mapping[tuple[str, str], Sequence[ClaimVerdict]]) -> list[DepthVerdict]:
    """Decide all tests, adjusted for being so many."""
    places = [place for place, own in tests.items() for _ in own]
    every = decided([test for own in tests.values() for test in own])
    return [DepthVerdict(*place, verdict) for place, verdict in zip(places, every, strict=True)]
