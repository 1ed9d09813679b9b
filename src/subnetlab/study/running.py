"""Running cells, in whatever process."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.masks.naming import know
from ..core.network import ShallowReLU
from ..history import METRIC
from ..training import DivergenceError, TrainingRun, train
from .module_cell import train_module_cell
from .networks import SHALLOW, know_networks
from .result import CellResult, encode
from .store import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.masks import MaskLaw
    from .cell import Cell


@dataclass(frozen=True)
class Trouble:
    """In place of a result: something that may pass, such as a lack of memory."""

    message: str


def run_chunk(
    run: Callable[[Cell], CellResult],
    chunk: list[tuple[str, Cell]],
    laws: Mapping[str, type[MaskLaw]],
    networks: Mapping[str, Any],
) -> list[Outcome | Trouble]:
    """Run cells, given with their keys, one after another, with the laws and networks of the user's own."""
    know(laws)
    know_networks(networks)
    arrived: list[Outcome | Trouble] = []
    for key, cell in chunk:
        started = time.perf_counter()
        try:
            if cell.key() == key:
                result = run(cell)
            else:
                result = CellResult("failed", "the data or the engine are not those that the study was planned with")
        except (MemoryError, OSError) as error:
            arrived.append(Trouble(f"{type(error).__name__}: {error}"))
            continue
        except Exception as error:  # whatever it is, it must not stop the other cells
            result = failure(error)
        arrived.append(Outcome(key, result.status, time.perf_counter() - started, encode(result)))
    return arrived


def run_cell(cell: Cell) -> CellResult:
    """Train the cell on one thread and return its result.

    A run that diverges is a result. So is one that raises (status "failed"), except for shortage of memory and
    troubles of the system, which may pass and are the caller's to handle.

    Raises
    ------
    MemoryError, OSError
        As they come.
    """
    started = time.perf_counter()
    try:
        trained = _train(cell) if cell.network == SHALLOW else _train_module(cell)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # whatever it is, it must not stop the other cells
        return failure(error)
    history = trained.history
    precision = None if cell.curves == "none" else np.dtype(cell.curves)
    with np.errstate(over="ignore"):
        curves = {} if precision is None else {name: a.astype(precision) for name, a in history.items()}
    return CellResult(
        "diverged" if trained.diverged else "ok",
        trained.diverged,
        step_size=trained.step_size,
        rounds=len(history["sampled_error"]),
        seconds=time.perf_counter() - started,
        finals=_finals(history) | trained.finals,
        curves=curves,
    )


def failure(error: Exception) -> CellResult:
    """Return the result of a cell that raised: the error with the place where it arose."""
    return CellResult("failed", "".join(traceback.format_exception(error)[-4:]).strip())


class _Trained(NamedTuple):
    """What a network of any kind leaves: curves by name, more final values, and why it diverged or an empty text."""

    history: dict[str, Any]
    finals: dict[str, float]
    step_size: float
    diverged: str


def _train_module(cell: Cell) -> _Trained:
    history, diverged = train_module_cell(cell)
    curves = {name.removeprefix(METRIC): curve for name, curve in history.arrays().items()}
    return _Trained(curves, {}, float(cell.step_size), diverged)


def _train(cell: Cell) -> _Trained:
    try:
        run, diverged = _run(cell), ""
    except DivergenceError as error:
        run, diverged = error.run, str(error)
    history, finals = run.history.arrays(), {}
    if run.comparison is not None:
        history["error_distance"] = run.comparison.error_distance
        history["linearized_full_error"] = run.comparison.history.full_error
        finals["weight_distance"] = run.comparison.weight_distance
    return _Trained(history, finals, run.settings.step_size, diverged)


def _run(cell: Cell) -> TrainingRun:
    data = cell.dataset.load()
    outputs = data.y.shape[1] if data.y.ndim == 2 else None
    network = ShallowReLU.initialize(
        cell.width, data.X.shape[1], cell.init_scale, cell.own_network_seed, n_outputs=outputs
    )
    return train(
        network,
        data.X,
        data.y,
        cell.scheme(),
        validation=data.validation,
        compare=cell.compare,
        **cell.options(),
    )


def _finals(history: dict[str, Any]) -> dict[str, float]:
    """Return the last value of each curve and the first full error; nothing for a curve without rounds."""
    finals = {"initial_full_error": float(history["full_error"][0])}
    for name, curve in history.items():
        if curve.size and name != "subnetwork_errors":
            finals[f"final_{name}"] = float(curve[-1] if curve.ndim == 1 else curve[-1, -1])
    return finals
