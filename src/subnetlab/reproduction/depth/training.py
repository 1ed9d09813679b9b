"""What is trained for the figures of depth, in two steps: grids and learning rates first, then each method at its best.

Everything is a cell of one study: the same command again trains what is missing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...study.execution import execute
from ..results import CellsMissingError, read_results
from .plans import METHODS, figure_grid, method_plan, methods_at, search_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...study.cell import Cell
    from ...study.result import CellResult
    from ...study.store import Store
    from .settings import DepthSettings


@dataclass(frozen=True, eq=False)
class Trained:
    """The cells behind the figures, and what the store holds of them.

    Parameters
    ----------
    grids : dict from (figure, network, loss) to cells
    methods : dict from (method, depth) to cells
        One per seed, at the rate that was found.
    rates : dict from (method, depth) to float
    results : mapping of str to CellResult
        By the keys of cells.
    """

    grids: dict[tuple[str, str, str], tuple[Cell, ...]]
    methods: dict[tuple[str, int], tuple[Cell, ...]]
    rates: dict[tuple[str, int], float]
    results: Mapping[str, CellResult]

    def failed(self) -> list[str]:
        """Return the messages of cells that have no result."""
        cells = itertools.chain.from_iterable((*self.grids.values(), *self.methods.values()))
        found = [self.results.get(cell.key()) for cell in cells]
        return ["not run" if r is None else r.message for r in found if r is None or r.status == "failed"]


def train_depth(settings: DepthSettings, store: Store, *, jobs: int | None, progress: bool) -> Trained:
    """Train what is missing.

    Raises
    ------
    CellsMissingError
        If no rate of a method gave a result, because its cells failed.
    StudyInterrupted
        On Ctrl-C.
    """
    places = itertools.product(("2b", "2c"), settings.networks, settings.losses)
    grids = {(figure, net, loss): figure_grid(figure, net, loss, settings).cells for figure, net, loss in places}
    pairs = [(method, depth) for depth in settings.depths for method in methods_at(depth)]
    searches = {pair: search_plan(*pair, settings).cells for pair in pairs}
    first = [*itertools.chain.from_iterable((*grids.values(), *searches.values()))]
    execute(first, store, jobs=jobs, progress=progress)
    results = read_results(store.path)
    rates = {pair: best_rate(pair[0], cells, results) for pair, cells in searches.items()}
    seeds = tuple(range(settings.seeds))
    methods = {pair: method_plan(*pair, settings, rates=(rates[pair],), seeds=seeds).cells for pair in pairs}
    execute([*first, *itertools.chain.from_iterable(methods.values())], store, jobs=jobs, progress=progress)
    return Trained(grids, methods, rates, read_results(store.path))


def best_rate(method: str, cells: Iterable[Cell], results: Mapping[str, CellResult]) -> float:
    """Return the rate of the cell with the lowest training loss, the smallest rate if all of them diverged.

    Rows held out have no part in it, so that they may judge.
    """
    losses: dict[float, float] = {}
    for cell in cells:
        result = results.get(cell.key())
        if result is not None and result.status in ("ok", "diverged"):
            loss = result.finals["final_full_error"] if result.status == "ok" else np.inf
            losses[float(cell.step_size)] = loss if np.isfinite(loss) else np.inf
    if not losses:
        raise CellsMissingError(f"no learning rate of {METHODS[method].label!r} gave a result")
    return min(sorted(losses), key=lambda rate: losses[rate])
