"""From the store of a study to the arrays that figures and claims need, and the three ways to read a cell's error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from ..study.reading import read_cells
from ..training.diagnostics import divergence_limit, has_diverged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..core.arrays import FloatArray, IntArray
    from ..study.cell import Cell
    from ..study.result import CellResult

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
        """Return the mean over the last ``rounds`` rounds, shape (S, R, C), for a heatmap."""
        errors: FloatArray = getattr(self, measure)
        return errors[..., -rounds:].mean(axis=-1)

    def at_end(self, measure: Measure, *, rounds: int) -> FloatArray:
        """Return the geometric mean over the last ``rounds`` rounds, shape (S, R, C): equal K for every cell.

        Verdicts are on log errors. The log of an arithmetic mean would be the larger, the noisier a cell is.
        """
        errors: FloatArray = getattr(self, measure)
        return _geometric_mean(errors[..., -rounds:])

    def at_equal_steps(self, measure: Measure, *, rounds: int) -> FloatArray:
        """Return the error after equally many local steps in every column, shape (S, R, C).

        The number is that of the column with the smallest tau in all its rounds, K min(tau); a column with
        more local steps is read after fewer rounds. Each is the geometric mean of equally many rounds, as many as there
        are in ``rounds`` rounds of the smallest tau for the largest: else the columns would differ by their noise.
        """
        errors: FloatArray = getattr(self, measure)
        least, most = int(self.local_steps.min()), int(self.local_steps.max())
        total, count = errors.shape[-1] * least, max(1, rounds * least // most)
        columns = []
        for column, tau in enumerate(self.local_steps):
            last = max(1, total // int(tau))
            columns.append(_geometric_mean(errors[:, :, column, max(0, last - count) : last]))
        return np.stack(columns, axis=-1)


def _geometric_mean(errors: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.exp(np.mean(np.log(errors), axis=-1))


class CellsMissingError(RuntimeError):
    """Cells that failed or were never run; the figures would be wrong without them."""


class Dynamics(NamedTuple):
    """The errors inside the rounds of Figure 2a, of S seeds and p subnetworks."""

    subnetworks: FloatArray  # (S, K, tau + 1, p): after sampling and after each local step
    full: FloatArray  # (S, K + 1)


def read_results(study: Path) -> dict[str, CellResult]:
    """Return every stored result by the key of its cell.

    Raises
    ------
    FileNotFoundError, StudyFileError, DamagedResultError
        If the store cannot be read.
    """
    return {cell.key: result for cell in read_cells(study) if (result := cell.result()) is not None}


def dynamics(cells: np.ndarray, results: Mapping[str, CellResult]) -> Dynamics:
    """Return the errors of the cells (S,) of Figure 2a.

    Raises
    ------
    CellsMissingError
        If a cell failed, or diverged: no curve can be drawn then.
    """
    found = [_result(cell, results) for cell in cells]
    bad = [result for result in found if result.status != "ok"]
    if bad:
        raise CellsMissingError(f"{len(bad)} of {len(cells)} runs did not end well: {bad[0].message}")
    return Dynamics(
        np.array([result.curves["subnetwork_errors"] for result in found], dtype=np.float64),
        np.array([result.curves["full_error"] for result in found], dtype=np.float64),
    )


def error_grid(
    cells: np.ndarray,
    results: Mapping[str, CellResult],
    row_values: tuple[float, ...],
    column_values: tuple[float, ...],
) -> ErrorGrid:
    """Return the errors of the cells (S, R, C); those of a diverged cell are infinite.

    The training of a torch network ends only where a number is not finite, so its errors are judged here, by the rule
    for the shallow network.

    Raises
    ------
    CellsMissingError
        If a cell failed or has no result.
    """
    rounds = cells.flat[0].rounds
    sampled, local, full = (np.full((*cells.shape, rounds), np.inf) for _ in range(3))
    for index, cell in np.ndenumerate(cells):
        result = _result(cell, results)
        if result.status == "diverged":
            continue
        start, *_ = errors = result.curves["full_error"]
        if has_diverged(errors, divergence_limit("reproduce", float(start))):
            continue
        sampled[index] = result.curves["sampled_error"]
        local[index] = result.curves["local_error"][:, -1]
        full[index] = errors[1:]
    local_steps = np.array([cell.local_steps for cell in cells[0, 0]])
    return ErrorGrid(row_values, column_values, local_steps, sampled, local, full)


def _result(cell: Cell, results: Mapping[str, CellResult]) -> CellResult:
    result = results.get(cell.key())
    if result is None or result.status == "failed":
        raise CellsMissingError(f"a cell has no result ({'not run' if result is None else result.message}): {cell}")
    return result
