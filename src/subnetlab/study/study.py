"""open_study(): the results of a study, while it runs or after."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .result import CellResult, decode
from .store import DATABASE, StoredCell, read_cells
from .table import build_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr


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
    return Study(path / DATABASE if path.is_dir() or not path.exists() else path)


class Study:
    """The results of a study as they were when it was opened; open it again to see more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cells = list(read_cells(path))

    @property
    def cells(self) -> Sequence[StoredCell]:
        """The planned cells and all with a result."""
        return self._cells

    def counts(self) -> dict[str, int]:
        """Return how many cells are "ok", "diverged", "failed" and "pending"."""
        statuses = Counter(cell.status for cell in self._cells)
        return {status: statuses[status] for status in ("ok", "diverged", "failed", "pending")}

    def results(self) -> Iterator[tuple[dict[str, Any], CellResult]]:
        """Yield the settings and the result of each cell that has one."""
        for cell in self._cells:
            if cell.payload is not None:
                yield cell.settings, decode(cell.payload, cell.seconds or 0.0)

    def table(self, *, curves: bool | Sequence[str] = True, **where: Any) -> xr.Dataset:
        """Return the results as an xarray Dataset.

        Its dimensions are the settings that vary, by their names in `Cell` (and ``dataset``, ``n_samples``,
        ``data_seed`` ... of the data); what does not vary is in ``.attrs``. Variables: ``status``,
        ``step_size_used``, ``rounds_done``, the final values in float64, and the curves with dimensions of
        their own behind: ``round``; ``step`` (local steps, the first is index 0); ``state`` (before round 0 and
        after each aggregation); ``substep`` and ``subnetwork``.

        Parameters
        ----------
        curves : bool or sequence of str, default True
            Which curves to include.
        **where
            Only cells with these settings, a value or a list of values each, such as ``masks="bernoulli"``.

        Raises
        ------
        ValueError
            If the cells fill too little of their grid, or ``where`` names no setting.
        """
        return build_table(self._select(where), curves=curves)

    def _select(self, where: dict[str, Any]) -> list[StoredCell]:
        cells = self._cells
        for name, wanted in where.items():
            if cells and name not in cells[0].settings:
                raise ValueError(f"Study.table: {name!r} is no setting; there are: {', '.join(cells[0].settings)}")
            values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
            cells = [cell for cell in cells if cell.settings[name] in values]
        return cells
