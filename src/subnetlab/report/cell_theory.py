"""What the theory says of the cells of a grid: the predicted curves, and the bound of the theorem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.network import ShallowReLU
from ..study.cell import Cell
from ..study.data import DatasetSpec
from ..study.networks import SHALLOW
from ..theory.convergence import convergence_theorem
from ..theory.lazy import average_lazy_model
from ..theory.prediction import Prediction, predict
from ..theory.setting import theory_setting
from ..theory.table import THEOREMS
from .rounding import compact, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.arrays import IntArray
    from ..study.data import StudyData
    from ..theory.lazy import LazyModel
    from ..theory.record import Promise
    from .grid import CellGrid, Entry

_MOST_CELLS = 1000  # more take minutes
_MOST_ROWS = 1000  # with more, the theory of many cells takes minutes
_SAME = 1e-4  # relative difference of errors, for engines in float32


class CellTheory(NamedTuple):
    """The prediction and the promise for one cell; each is None if there is none."""

    prediction: Prediction | None
    promise: Promise | None


_SILENT = CellTheory(None, None)


class GridTheory:
    """The theory of the cells of a grid, over the initial networks: seeds have one in common.

    Parameters
    ----------
    grid : CellGrid

    Attributes
    ----------
    why_not : str
        Why there is no theory for any cell; empty if there is some.
    """

    def __init__(self, grid: CellGrid) -> None:
        known = [entry for entry in grid.entries.values() if _eta(entry) is not None]
        few = grid.places <= _MOST_CELLS
        self._data = _data_again(known) if few else {}
        self._models: dict[tuple[Any, ...], LazyModel] = {}
        firsts = (
            next((e for e in grid.at(place) if e is not None and _eta(e) is not None), None)
            for place in range(grid.places)
        )
        self.cells = [_SILENT if entry is None or not few else self._of(entry) for entry in firsts]
        self.why_not = ""
        if not few:
            self.why_not = f"{grid.places} cells would take long"
        elif all(cell == _SILENT for cell in self.cells):
            obstacles = [obstacle for obstacle in self._data.values() if isinstance(obstacle, str)]
            self.why_not = obstacles[0] if obstacles else "the theory is not about these runs"

    def predicted(self, rounds: IntArray) -> dict[str, list[Any]]:
        """Return the predicted errors of each cell by measure."""
        return {
            measure: [None if c.prediction is None else _curve(c.prediction, measure, rounds) for c in self.cells]
            for measure in ("full", "local", "sampled")
        }

    def bounds(self) -> list[dict[str, Any] | None]:
        """Return for each cell the bound of its theorem, and in words what it amounts to."""
        return [None if cell.promise is None else _bound(cell.promise) for cell in self.cells]

    def _of(self, entry: Entry) -> CellTheory:
        if entry.settings["network"] != SHALLOW:
            return _SILENT
        cell, eta = Cell.from_settings(entry.settings), _eta(entry)
        data = self._data.get(cell.dataset, "")
        if isinstance(data, str) or eta is None or cell.beyond_the_paper():
            return _SILENT
        at = (cell.dataset, cell.width, cell.init_scale)
        try:
            if at not in self._models:
                self._models[at] = average_lazy_model(data.X, data.y, cell.width, cell.init_scale)
            prediction = predict(self._models[at], cell.scheme(), eta, seed=cell.seed)
        except ValueError:
            prediction = None
        try:
            setting = theory_setting(
                data.X, data.y, cell.scheme(), width=cell.width, init_scale=cell.init_scale, step_size=eta
            )
        except ValueError:
            return CellTheory(prediction, None)
        return CellTheory(prediction, THEOREMS[convergence_theorem(setting.masks)](setting, "paper"))


def _eta(entry: Entry) -> float | None:
    """Return the step size of a cell that was trained."""
    return None if entry.result is None else entry.result.step_size


def _curve(prediction: Prediction, measure: str, rounds: IntArray) -> Any:
    curves = {"full": prediction.full_error[1:], "local": prediction.local_error[:, -1]}
    curve = curves.get(measure, prediction.sampled_error)
    return compact(curve[rounds[rounds < len(curve)]])


def _bound(promise: Promise) -> dict[str, Any] | None:
    if promise.bound is None or promise.rate is None or promise.floor is None:
        return {"says": f"{promise.statement} says nothing: {promise.reason}."}
    if promise.vacuous:
        limit = f"is vacuous here (never below {shown(float(promise.bound.min()))})"
    else:
        limit = f"ends at {shown(float(promise.bound[-1]))}"
    says = f"{promise.statement}'s bound {limit}; {promise.earned}."
    start = float(promise.bound[0]) - promise.floor
    return {"start": start, "rate": promise.rate, "floor": promise.floor, "says": says}


def _data_again(entries: Sequence[Entry]) -> dict[DatasetSpec, StudyData | str]:
    """Return the data of each dataset, or in a few words why they cannot be used.

    Parameters
    ----------
    entries : sequence of Entry
        Cells with a result.
    """
    found: dict[DatasetSpec, StudyData | str] = {}
    shallow = [entry for entry in entries if entry.settings["network"] == SHALLOW]
    for entry in sorted(shallow, key=lambda entry: entry.settings["width"]):  # a narrow network is soon made
        spec = DatasetSpec.from_settings(entry.settings)
        if spec not in found and _initial_error(entry) is not None:
            found[spec] = _loaded(spec, entry)
    return found


def _loaded(spec: DatasetSpec, entry: Entry) -> StudyData | str:
    try:
        data = spec.load()
    except (TypeError, ValueError, OSError, ImportError):
        return f"the data ({spec.name}) were not available when this page was made"
    if len(data.X) > _MOST_ROWS:
        return f"{len(data.X)} rows would take long"
    if data.y.ndim > 1:
        return "it is about one output"
    cell = Cell.from_settings(entry.settings)
    network = ShallowReLU.initialize(
        cell.width, data.X.shape[1], init_scale=cell.init_scale, seed=cell.own_network_seed
    )
    error = float(np.sum((data.y - network.output(data.X, cell.scheme().masks.selection_prob)) ** 2))
    recorded = _initial_error(entry)
    same = recorded is not None and np.isclose(error, recorded, rtol=_SAME)
    return data if same else "the data found here are not those of the runs"


def _initial_error(entry: Entry) -> float | None:
    """Return |y - u_0|^2 as the run recorded it, or None."""
    if entry.result is None or entry.settings.get("loss", "squared") != "squared":
        return None
    error = entry.result.finals.get("initial_full_error", np.nan)
    return float(error) if np.isfinite(error) else None
