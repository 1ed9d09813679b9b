"""A run beside its lazy-training model: what is kept of the linearized twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..history import History

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray

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
