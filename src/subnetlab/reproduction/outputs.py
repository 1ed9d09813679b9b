"""The files of a reproduction: three figures and the table of verdicts."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..atomic import atomic_file
from ..figures.dynamics import draw_dynamics
from ..figures.files import save_figure
from ..figures.heatmap import draw_heatmap, draw_heatmaps
from .grids import MEASURES, Measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..core.arrays import FloatArray
    from .claims import Verdict
    from .grids import ErrorGrid
    from .results import Dynamics

Over: TypeAlias = Literal["seeds", "subnetworks"]

_ROWS = "number of subnetworks $p$"


def write_dynamics(folder: Path, dynamics: Dynamics, *, over: Over, rounds: int, inset_rounds: int) -> list[Path]:
    """Write Figure 2a: mean and variance over seeds, or over the subnetworks of the first seed."""
    inside, full = dynamics.subnetworks, dynamics.full
    # (S, K, tau + 1): the mean over subnetworks per seed, or the subnetworks of one run in place of seeds
    errors = inside.mean(axis=-1) if over == "seeds" else np.moveaxis(inside[0], -1, 0)
    figure, table = draw_dynamics(
        errors[..., 0],
        errors[..., 1:],
        full if over == "seeds" else full[:1],
        over=over,
        rounds=min(rounds, errors.shape[1]),
        inset_rounds=min(inset_rounds, errors.shape[1]),
    )
    return save_figure(figure, folder, "figure_2a", table)


def write_bernoulli(folder: Path, grid: ErrorGrid, *, shown: Measure, rounds: int, title: str) -> list[Path]:
    """Write Figure 2b, and the same grid read in all three ways."""
    return _write_grid(folder, "figure_2b", grid, shown, rounds, r"selection probability $\xi$", title)


def write_categorical(folder: Path, grid: ErrorGrid, *, shown: Measure, rounds: int, title: str) -> list[Path]:
    """Write Figure 2c, and the same grid read in all three ways."""
    return _write_grid(folder, "figure_2c", grid, shown, rounds, r"number of local steps $\tau$", title)


def write_verdicts(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write the verdicts as CSV, one line each."""
    text = io.StringIO()
    rows = [verdict.as_row() for verdict in verdicts]
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_file(path) as file:
        file.write(text.getvalue().encode())


def _write_grid(
    folder: Path, stem: str, grid: ErrorGrid, shown: Measure, rounds: int, column_label: str, title: str
) -> list[Path]:
    one, table = draw_heatmap(
        _mean(grid, shown, rounds),
        grid.row_values,
        grid.column_values,
        row_label=_ROWS,
        col_label=column_label,
        value_label=f"training error {MEASURES[shown]}",
        title=title,
    )
    files = save_figure(one, folder, stem, table)
    every = {MEASURES[measure]: _mean(grid, measure, rounds) for measure in MEASURES}
    three, tables = draw_heatmaps(
        every,
        grid.row_values,
        grid.column_values,
        row_label=_ROWS,
        col_label=column_label,
        value_label="training error",
        title=title,
    )
    return [*files, *save_figure(three, folder, f"{stem}_measures", tables)]


def _mean(grid: ErrorGrid, measure: Measure, rounds: int) -> FloatArray:
    """Return the mean over seeds; a cell with a diverged seed has none and is NaN."""
    mean = grid.final(measure, rounds=rounds).mean(axis=0)
    return np.where(np.isfinite(mean), mean, np.nan)
