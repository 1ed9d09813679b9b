"""What a study will take, before it runs: time by the engines' cost model, memory and disk by counting arrays.

The model's times were fitted on one machine. Cells of the study that are finished correct it for this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engines.choice import NANOSECONDS_PER_ROUND
from .module_cell import n_parameters
from .networks import SHALLOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .cell import Cell

_PROCESS = 200e6  # bytes of a worker before it has done anything
_TORCH = 400e6  # bytes of torch and of its export
_START = 1.0  # seconds until the first worker works
_OVERHEAD = 5e-3  # seconds per cell around the training
_ROW = 2500  # bytes in the file per cell, besides its curves: settings, keys, hashes, pages that are not full
_STEP = 2e-3  # seconds of a module's local step besides its arithmetic
_PER_NUMBER = 6e-10  # seconds per row and parameter that a step takes forward and back; convolutions use theirs often
_LIKE = "primal"  # the model for an engine that has none of its own


@dataclass(frozen=True)
class Estimate:
    """What is to come.

    Parameters
    ----------
    seconds : float
        Wall-clock time with the given jobs.
    bytes_per_job : float
        Memory of the largest cell, in one worker.
    bytes_on_disk : float
        What the results will take.
    """

    seconds: float
    bytes_per_job: float
    bytes_on_disk: float


def estimate(cells: Iterable[Cell], jobs: int, measured: Mapping[Cell, float] | None = None) -> Estimate:
    """Return what running the cells takes.

    Parameters
    ----------
    cells : iterable of Cell
        Resolved: each names its engine.
    jobs : int
    measured : mapping of Cell to seconds, optional
        Finished cells of the study.
    """
    cells = list(cells)
    if not cells:
        return Estimate(0.0, 0.0, 0.0)
    factor = 1.0
    if measured:
        factor = sum(measured.values()) / sum(training_seconds(cell) for cell in measured)
    seconds = [factor * training_seconds(cell) for cell in cells]
    return Estimate(
        seconds=max(*seconds, sum(seconds) / jobs) + _START,
        bytes_per_job=max(memory(cell) for cell in cells),
        bytes_on_disk=float(sum(stored(cell) for cell in cells)),
    )


def training_seconds(cell: Cell) -> float:
    """Return the time of a cell by the engines' cost model (`subnetlab.engines.choice`); of a module, roughly."""
    if cell.network != SHALLOW:
        data = cell.dataset.load()
        rows = len(data.X) if cell.batch_size is None else cell.batch_size
        steps = cell.rounds * cell.n_subnetworks * (cell.local_steps + 1)
        return steps * (_STEP + _PER_NUMBER * rows * n_parameters(cell, data)) + _OVERHEAD
    model = NANOSECONDS_PER_ROUND.get(cell.engine, NANOSECONDS_PER_ROUND[_LIKE])
    return 1e-9 * cell.rounds * model(cell.workload(cell.dataset.load())) + _OVERHEAD


def memory(cell: Cell) -> float:
    """Return the bytes of a worker at this cell: weights and copies of them, activations, masks."""
    data = cell.dataset.load()
    n, d = data.X.shape
    size = 4 if cell.dtype == "float32" else 8
    if cell.width is None:
        return _PROCESS + _TORCH + data.nbytes + 6 * size * n_parameters(cell, data)
    return _PROCESS + cell.width * (6 * d * size + 3 * n * size + 4 * cell.n_subnetworks)


def stored(cell: Cell) -> float:
    """Return the bytes of a stored result, on disk."""
    values = cell.rounds * (cell.local_steps + 2 + len(cell.diagnostics))
    if cell.record == "subnetworks":
        values += cell.rounds * (cell.local_steps + 1) * cell.n_subnetworks
    return _ROW + {"float32": 4, "float64": 8, "none": 0}[cell.curves] * values
