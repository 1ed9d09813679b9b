"""What a study will take, before it runs: time and memory from the counts of operations.

One local step of one subnetwork of s neurons on b rows with d features costs two matrix products, 4 s b d
multiplications and additions; each round adds |y - u|^2 and the errors after each step, 2 s n d each. Engines do
less where they can, so the time is an upper guess until finished cells of the same study correct it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .cell import Cell

_PROCESS = 150e6  # bytes of a worker before it has done anything
_PER_STEP = 3e-5  # seconds of bookkeeping per step of a subnetwork
_START = 2.0  # seconds until the first worker works


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
    jobs : int
    measured : mapping of Cell to seconds, optional
        Finished cells of the study, whose time calibrates the guess.
    """
    cells = list(cells)
    if not cells:
        return Estimate(0.0, 0.0, 0.0)
    flops = np.array([operations(cell) for cell in cells])
    steps = np.array([cell.rounds * cell.local_steps * cell.n_subnetworks for cell in cells])
    rate = _measured_rate(measured) if measured else _product_rate()
    seconds = flops / rate + steps * _PER_STEP
    longest = max(float(seconds.max()), float(seconds.sum()) / jobs)
    return Estimate(
        seconds=longest + _START,
        bytes_per_job=max(memory(cell) for cell in cells),
        bytes_on_disk=float(sum(stored(cell) for cell in cells)),
    )


def operations(cell: Cell) -> float:
    """Return the floating point operations of a cell."""
    n, d = cell.dataset.load().X.shape
    neurons = cell.scheme().masks.largest_share(cell.width) * cell.width * cell.n_subnetworks
    rows = cell.batch_size or n / (cell.shards or 1)
    step = 4 * rows * d * neurons + (0 if rows == n else 2 * n * d * neurons)
    return float(cell.rounds * (cell.local_steps * step + 2 * n * d * (neurons + cell.width)))


def memory(cell: Cell) -> float:
    """Return the bytes of a worker at this cell: weights, their copies, activations, masks."""
    n, d = cell.dataset.load().X.shape
    size = 4 if cell.dtype == "float32" else 8
    return _PROCESS + cell.width * (6 * d * size + 3 * n * size + 4 * cell.n_subnetworks)


def stored(cell: Cell) -> float:
    """Return the bytes of a stored result, before compression saves about a third."""
    values = cell.rounds * (cell.local_steps + 2 + len(cell.diagnostics))
    if cell.record == "subnetworks":
        values += cell.rounds * (cell.local_steps + 1) * cell.n_subnetworks
    return 700 + {"float32": 4, "float64": 8, "none": 0}[cell.curves] * values


def _product_rate() -> float:
    """Return the operations per second of a small matrix product on one thread, measured now."""
    from threadpoolctl import threadpool_limits

    a = np.ones((256, 256))
    with threadpool_limits(1):
        product = a @ a
        started = time.perf_counter()
        for _ in range(10):
            np.matmul(a, a, out=product)
        elapsed = time.perf_counter() - started
    return 10 * 2 * 256**3 / elapsed / 2  # half of it: products in training are thin


def _measured_rate(measured: Mapping[Cell, float]) -> float:
    return sum(operations(cell) for cell in measured) / max(1e-9, sum(measured.values()))
