"""What the theory says of the cells of a grid: the predicted curves, and the bound of the theorem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.network import ShallowReLU
from ..study.cell import Cell
from ..theory.lazy import average_lazy_model
from ..theory.prediction import Prediction, predict
from ..theory.setting import theory_setting
from ..theory.theorem3 import theorem3
from ..theory.theorem4 import theorem4
from .rounding import compact, shown

if TYPE_CHECKING:
    from ..core.arrays import IntArray
    from ..study.data import StudyData
    from ..study.result import CellResult
    from ..theory.lazy import LazyModel
    from ..theory.record import Promise
    from .grid import CellGrid, Entry

_MOST_ROWS, _MOST_CELLS = 1000, 1000  # beyond these it takes minutes
_SAME = 1e-4  # relative difference of errors, for engines in float32


class CellTheory(NamedTuple):
    """What is said of one cell; both None where nothing is."""

    prediction: Prediction | None
    promise: Promise | None


class GridTheory:
    """The theory of the cells of a grid, over the initial networks: seeds have one in common.

    Parameters
    ----------
    grid : CellGrid

    Attributes
    ----------
    why_not : str
        Why nothing is said of any cell; empty if something is.
    """

    def __init__(self, grid: CellGrid) -> None:
        self._models: dict[tuple[Any, ...], LazyModel] = {}
        self.why_not = _obstacle(grid)
        known = [] if self.why_not else [_first(grid, place) for place in range(grid.places)]
        self.cells = [CellTheory(None, None) if entry is None else self._of(entry) for entry in known]
        if not self.why_not and all(cell == (None, None) for cell in self.cells):
            self.why_not = "it is not about these schemes"

    def predicted(self, rounds: IntArray) -> dict[str, list[Any]]:
        """Return the predicted errors of each cell by measure."""
        return {
            measure: [None if c.prediction is None else _curve(c.prediction, measure, rounds) for c in self.cells]
            for measure in ("full", "local", "sampled")
        }

    def bounds(self) -> list[dict[str, Any] | None]:
        """Return of each cell the bound of its theorem and what it amounts to."""
        return [None if cell.promise is None else _bound(cell.promise) for cell in self.cells]

    def _of(self, entry: Entry) -> CellTheory:
        cell = Cell.from_settings(entry.settings)
        eta = entry.result.step_size if entry.result is not None else None
        if eta is None or cell.loss != "squared" or cell.learn_signs:
            return CellTheory(None, None)
        data = cell.dataset.load()
        at = (cell.dataset, cell.width, cell.init_scale)
        try:
            if at not in self._models:
                self._models[at] = average_lazy_model(data.X, data.y, cell.width, cell.init_scale)
            prediction = predict(self._models[at], cell.scheme(), eta)
        except ValueError:
            prediction = None
        try:
            setting = theory_setting(
                data.X, data.y, cell.scheme(), width=cell.width, init_scale=cell.init_scale, step_size=eta
            )
        except ValueError:
            return CellTheory(prediction, None)
        promise = theorem4(setting)
        return CellTheory(prediction, promise if promise.applies else theorem3(setting))


def _obstacle(grid: CellGrid) -> str:
    """Say why the theory of the grid's cells cannot be had, or nothing."""
    for entry in grid.entries.values():
        if entry.result is None:
            continue
        if grid.places > _MOST_CELLS:
            return f"{grid.places} cells would take long"
        try:
            cell = Cell.from_settings(entry.settings)
            data = cell.dataset.load()
        except (TypeError, ValueError, OSError, ImportError):
            return f"the data ({entry.settings.get('dataset')}) were not to be had when this page was made"
        if len(data.X) > _MOST_ROWS:
            return f"{len(data.X)} rows would take long"
        return "" if _are_the_data(data, cell, entry.result) else "the data found here are not those of the runs"
    return "no cell has a result"


def _are_the_data(data: StudyData, cell: Cell, result: CellResult) -> bool:
    """Return whether the initial error that the run recorded comes out of these data."""
    network = ShallowReLU.initialize(
        cell.width, data.X.shape[1], init_scale=cell.init_scale, seed=cell.own_network_seed
    )
    if data.y.ndim > 1:
        return False
    error = float(np.sum((data.y - network.output(data.X, cell.law().selection_prob)) ** 2))
    return bool(np.isclose(error, result.finals.get("initial_full_error", np.nan), rtol=_SAME))


def _first(grid: CellGrid, place: int) -> Entry | None:
    return next((entry for entry in grid.at(place) if entry is not None and entry.result is not None), None)


def _curve(prediction: Prediction, measure: str, rounds: IntArray) -> Any:
    curves = {"full": prediction.full_error[1:], "local": prediction.local_error[:, -1]}
    curve = curves.get(measure, prediction.sampled_error)
    return compact(curve[rounds[rounds < len(curve)]])


def _bound(promise: Promise) -> dict[str, Any] | None:
    if promise.bound is None or promise.rate is None or promise.floor is None:
        return {"says": f"{promise.statement} says nothing: {promise.reason}."}
    unmet = sum(not c.met for c in promise.conditions)
    earned = (
        "its hypotheses are met" if unmet == 0 else f"{unmet} of its {len(promise.conditions)} hypotheses are not met"
    )
    if promise.vacuous:
        says = (
            f"{promise.statement}'s bound is vacuous here (never below {shown(float(promise.bound.min()))}); {earned}."
        )
    else:
        says = f"{promise.statement}'s bound ends at {shown(float(promise.bound[-1]))}; {earned}."
    start = float(promise.bound[0]) - promise.floor
    return {"start": start, "rate": promise.rate, "floor": promise.floor, "says": says}
