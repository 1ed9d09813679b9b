"""The errors of a grid of cells, and the three ways to read one number per cell from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray

Measure: TypeAlias = Literal["sampled", "local", "full"]
# the first two are means over the subnetworks of |y - f^l|^2, the third is |y - u|^2 of the whole network
MEASURES: dict[Measure, str] = {
    "sampled": "after sampling",
    "local": "after local training",
    "full": "after aggregation",
}


@dataclass(frozen=True, eq=False)
class ErrorGrid:
    """Training errors of S seeds x R rows x C columns of cells over K rounds; a diverged cell is infinite.

    Parameters
    ----------
    row_values, column_values : tuple of float
        Number of subnetworks, and selection probability or local steps.
    local_steps : ndarray of int, shape (C,)
        tau of each column.
    sampled, local, full : ndarray, shape (S, R, C, K)
        After sampling, after the last local step, after aggregation, in each round.
    """

    row_values: tuple[float, ...]
    column_values: tuple[float, ...]
    local_steps: IntArray
    sampled: FloatArray
    local: FloatArray
    full: FloatArray

    def final(self, measure: Measure, *, rounds: int) -> FloatArray:
        """Return the mean over the last ``rounds`` rounds, shape (S, R, C): equal K for every cell."""
        errors: FloatArray = getattr(self, measure)
        return errors[..., -rounds:].mean(axis=-1)

    def at_equal_steps(self, measure: Measure, *, rounds: int) -> FloatArray:
        """Return the error after equally many local steps in every column, shape (S, R, C).

        The number is that of the column with the smallest tau in all its rounds, K min(tau); a column with
        more local steps is read after fewer rounds, as the mean over up to ``rounds`` rounds before.
        """
        errors: FloatArray = getattr(self, measure)
        total = errors.shape[-1] * int(self.local_steps.min())
        columns = []
        for column, tau in enumerate(self.local_steps):
            last = max(1, total // int(tau))
            first = max(0, last - max(1, rounds // int(tau)))
            columns.append(errors[:, :, column, first:last].mean(axis=-1))
        return np.stack(columns, axis=-1)
