"""The results of a study, while it runs or after."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.letters import spelled_out
from ..datasets import default_rows
from ..plotting import plot
from ..training.request import RENAMED
from .cell import ADDED
from .data import COLUMNS
from .export import write_export
from .reading import StoredCell, read_cells
from .store import DATABASE
from .table import build_table, varying

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import xarray as xr

    from .result import CellResult


def open_study(path: str | Path) -> Study:
    """Return the study in a folder.

    Parameters
    ----------
    path : str or Path
        The folder, or the database in it.

    Raises
    ------
    FileNotFoundError
        If there is no study.
    StudyFileError
        If it cannot be read.
    """
    path = Path(path)
    file = path if os.path.lexists(path) and not path.is_dir() else path / DATABASE
    return Study(file, [cell._replace(settings=cell.settings | _missing(cell.settings)) for cell in read_cells(file)])


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """The results of a study as they were when it was opened; open it again to see more.

    Parameters
    ----------
    path : Path
        The database.
    cells : sequence of StoredCell
        The planned cells and all with a result.
    """

    path: Path
    cells: Sequence[StoredCell]

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts().items() if count)
        varied = varying([{**cell.settings, "diagnostics": ""} for cell in self.cells])
        over = ", ".join(f"{name} ({len(values)})" for name, values in varied.items())
        return f"Study({str(self.path)!r}, cells: {counts or 'none'})\n  varies  {over or 'nothing'}"

    def plot(self, ax: Any = None, *, value: str = "final_full_error", style: Any = "publication") -> Any:
        """Draw a value over the one or two settings that vary besides seeds: a curve with its range, or a heatmap.

        ``value`` is a variable of `table` that holds numbers; ``ax``, ``style`` and what is returned are explained at
        `subnetlab.plotting.plot`.

        Raises
        ------
        ValueError
            If there is no such value, or other than one or two settings vary: `select` a part.
        """
        return plot("study", self, ax=ax, style=style, value=value)

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dict per cell: settings, status, message, final values; no curves.

        For studies whose cells are no full grid, and for tools that want rows.
        """
        rows: list[dict[str, Any]] = []
        for cell in self.cells:
            row = {"key": cell.key, **cell.settings, "status": cell.status, "message": ""}
            row["diagnostics"] = " ".join(cell.settings["diagnostics"])
            row |= {name: ", ".join(row[name]) for name in COLUMNS if name in row}
            result = cell.result(curves=False)
            if result is not None:
                row |= {"message": result.message, "step_size_used": result.step_size, "rounds_done": result.rounds}
                row |= {"version": result.version or ""}
                row |= result.finals
            rows.append(row)
        return rows

    def export(self, path: str | Path, *, curves: bool = True, force: bool = False) -> None:
        """Write the results to a file; its ending says how.

        ``.nc``: netCDF of `table`. ``.csv``: `records`. ``.parquet``: `records` with the curves as lists (needs
        the extra ``parquet``). The file is whole or not there.

        Parameters
        ----------
        path : str or Path
        curves : bool, default True
            Whether netCDF and Parquet hold the curves.
        force : bool, default False
            Write over a file that is no earlier export.

        Raises
        ------
        ValueError
            If the ending is another, or the file is one that the study was trained on.
        ImportError
            If Parquet is wanted and pyarrow is not installed.
        FileExistsError
            If the file is there and no earlier export.
        OSError
            If the file cannot be written.
        """
        write_export(self, Path(path), curves=curves, force=force)

    def counts(self) -> dict[str, int]:
        """Return how many cells are "ok", "diverged", "failed" and "pending"."""
        statuses = Counter(cell.status for cell in self.cells)
        return {status: statuses[status] for status in ("ok", "diverged", "failed", "pending")}

    def results(self) -> Iterator[tuple[dict[str, Any], CellResult]]:
        """Yield the settings and the result of each cell that has one."""
        for cell in self.cells:
            result = cell.result()
            if result is not None:
                yield cell.settings, result

    def select(self, **where: Any) -> Study:
        """Return the part of the study with these settings: for each a value, or any collection of values.

        An engine that ``"auto"`` chose is found by either name.

        Raises
        ------
        ValueError
            If a name is no setting, or no cell of the study has any of the values.

        Examples
        --------
        ``sl.open_study("out").select(masks="bernoulli", seed=[0, 1]).table()``
        """
        cells = self.cells
        for name, wanted in spelled_out("Study.select", where, RENAMED).items():
            if cells and name not in cells[0].settings:
                raise ValueError(f"Study.select: {name!r} is no setting; there are: {', '.join(cells[0].settings)}")
            values = _wanted(wanted)
            if self.cells and not any(_among(values, cell, name) for cell in self.cells):
                there = ", ".join(dict.fromkeys(repr(cell.settings[name]) for cell in self.cells))
                raise ValueError(f"Study.select: {name} must be among {there}, got {wanted!r}")
            cells = [found for cell in cells if (found := _among(values, cell, name))]
        return Study(self.path, cells)

    def table(self, *, curves: bool | Sequence[str] = True) -> xr.Dataset:
        """Return the results as an xarray Dataset.

        Its dimensions are the settings that the plan varied, by their names in `Cell` (and ``dataset``, ``n_samples``,
        ``data_seed`` ... of the data); what it did not vary is in ``.attrs``. An engine left to "auto" is no
        dimension, whichever was chosen. Variables: ``status``, ``engine_used``, ``step_size_used``, ``rounds_done``,
        the final values in float64, and the curves with dimensions of their own behind: ``round``; ``step`` (local
        steps, the first is index 0); ``state`` (before round 0 and after each aggregation); ``substep`` and
        ``subnetwork``.

        Parameters
        ----------
        curves : bool or sequence of str, default True
            Which curves to include.

        Raises
        ------
        SparseGridError
            If the cells fill too little of the grid that they span; `select` some, or use `records`.
        """
        return build_table(self.cells, curves=curves)


def _missing(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the store leaves open: settings at their old values, and how many rows a dataset has by default."""
    missing = {name: value for name, value in ADDED.items() if name not in settings}
    if settings.get("n_samples") is None:
        with suppress(ValueError):  # a dataset that this version does not know
            missing["n_samples"] = default_rows(settings["dataset"])
    return missing


def _wanted(given: Any) -> list[Any]:
    """Return one value, or the values of a list, range, set, array or any other collection, as plain values."""
    try:
        values = [given] if isinstance(given, (str, bytes)) else list(given)
    except TypeError:
        values = [given]
    values = [value.item() if isinstance(value, (np.generic, np.ndarray)) else value for value in values]
    return [*values, list(values)]  # a setting that is a list itself, diagnostics, may be meant


def _among(values: list[Any], cell: StoredCell, name: str) -> StoredCell | None:
    """Return the cell, as far as it was asked for with one of the values, or None."""
    words = tuple(words for words in cell.asked if (cell.settings | words).get(name) in values)
    if words:
        return cell._replace(asked=words)
    return cell if cell.settings.get(name) in values else None
