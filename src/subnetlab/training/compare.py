"""How far a run is from the lazy-training model: the same run with frozen patterns, and the distance between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..core import checks
from ..history import History
from .errors import DivergenceError
from .session import TrainingSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray
    from .run import TrainingRun

Compare: TypeAlias = Literal["linearized"]
COMPARISONS: tuple[str, ...] = ("linearized",)


@dataclass(frozen=True, eq=False)
class Comparison:
    """The linearized twin of a run: same data, masks and steps, patterns frozen where training started.

    Parameters
    ----------
    history : History
        Of the twin; shorter than the run's if the twin diverged.
    weight_distance : float
        |W - W_twin| / |W - W_0|, Frobenius norms after the last round: near 0 in the NTK regime, of order 1 where
        features are learned. 0 if nothing moved, infinite if the twin diverged.
    error_distance : ndarray, shape (K + 1,)
        The distance between the full errors of run and twin, before round 0 and after each aggregation.
    """

    history: History
    weight_distance: float
    error_distance: FloatArray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays by name, for files."""
        twin = {f"history.{name}": value for name, value in self.history.arrays().items()}
        return {**twin, "weight_distance": np.array(self.weight_distance), "error_distance": self.error_distance}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Comparison:
        """Return the comparison that `arrays` described."""
        twin = {name.removeprefix("history."): v for name, v in arrays.items() if name.startswith("history.")}
        return cls(History.from_arrays(twin), float(arrays["weight_distance"]), arrays["error_distance"])


def twin_of(run: TrainingRun, compare: str) -> TrainingSession:
    """Return a session that starts where ``run`` started, with the engine ``compare``.

    Raises
    ------
    ValueError
        If there is no such comparison, or the engine lacks what the run needs.
    """
    checks.one_of("train", "compare", compare, COMPARISONS)
    data, settings = run.data, run.settings
    return TrainingSession(
        run.initial_network,
        data.X,
        data.y,
        replace(run.scheme, step_size=settings.step_size),
        seed=settings.seed,
        engine=compare,
        threads=settings.threads,
        sample_weight=data.sample_weight,
        loss=settings.loss,
        learn_signs=settings.learn_signs,
    )


def compared(run: TrainingRun, twin: TrainingSession) -> TrainingRun:
    """Return the run with its `Comparison`: the twin's rounds are run now, as many as the run has."""
    try:
        while twin.rounds_done < run.history.rounds:
            twin.advance()
        other, diverged = twin.run(), False
    except DivergenceError as error:
        other, diverged = error.run, True
    moved = np.linalg.norm(run.network.weights - run.initial_network.weights)
    apart = np.linalg.norm(run.network.weights - other.network.weights)
    theirs = other.history.full_error
    comparison = Comparison(
        history=other.history,
        weight_distance=np.inf if diverged else float(apart / moved) if moved else 0.0,
        error_distance=np.abs(run.history.full_error[: len(theirs)] - theirs),
    )
    return replace(run, comparison=comparison)
