"""From the results of cells to the numbers that verdicts and figures of depth need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.units import axis_groups
from ...study.module_cell import initial_cut
from ..results import error_grid
from ..table import arranged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...core.arrays import FloatArray
    from ...study.cell import Cell
    from ...study.result import CellResult
    from ..results import ErrorGrid
    from .settings import DepthSettings
    from .training import Trained

DYNAMICS_PROB = 0.5  # xi of Figure 2a; p is the largest of the grid
_AXES = {"2b": ("seed", "n_subnetworks", "selection_prob"), "2c": ("seed", "n_subnetworks", "local_steps")}


def grid_of(figure: str, network: str, loss: str, trained: Trained, settings: DepthSettings) -> ErrorGrid:
    """Return the errors of Figure 2b or 2c of one network and loss."""
    s = settings
    rows, columns = {
        "2b": (s.bernoulli_subnetworks, s.bernoulli_selection_probs),
        "2c": (s.categorical_subnetworks, s.categorical_local_steps),
    }[figure]
    cells = arranged(trained.grids[figure, network, loss], _AXES[figure])
    return error_grid(cells, trained.results, rows, columns)


def curves_of(
    network: str, loss: str, trained: Trained, settings: DepthSettings
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Return the errors inside the rounds of Figure 2a: after sampling (S, K), after steps (S, K, tau), whole (S, K+1).

    None where a run diverged. The cell is one of Figure 2b's: xi = 1/2 and its largest p.
    """
    most = max(settings.bernoulli_subnetworks)
    cells = [
        cell
        for cell in trained.grids["2b", network, loss]
        if cell.n_subnetworks == most and cell.selection_prob == DYNAMICS_PROB
    ]
    found = [trained.results[cell.key()] for cell in cells]
    if not found or any(result.status != "ok" for result in found):
        return None
    sampled, local, full = (
        np.array([result.curves[name] for result in found], dtype=np.float64)
        for name in ("sampled_error", "local_error", "full_error")
    )
    return sampled, local, full


def finals_of(cells: tuple[Cell, ...], results: Mapping[str, CellResult]) -> dict[str, FloatArray]:
    """Return the final loss and accuracy of each cell; NaN where it diverged."""
    found = [results[cell.key()] for cell in cells]
    names = ("final_full_error", "final_accuracy")
    return {
        name: np.array([r.finals.get(name, np.nan) if r.status == "ok" else np.nan for r in found]) for name in names
    }


def coverage_between(cell: Cell) -> float:
    """Return the share of the entries between two cut layers that a round of this cell trains, in the mean."""
    cut = initial_cut(cell, cell.dataset.load())
    shares = cut.coverage(cell.scheme().masks, cut_groups=cell.cut_groups, rounds=2)
    between = [share for name, share in shares.items() if len(set().union(*map(axis_groups, cut.units.axes[name]))) > 1]
    return float(np.mean(between)) if between else 1.0
