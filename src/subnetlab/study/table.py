"""A study as an xarray Dataset with named dimensions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import xarray as xr

    from ..core.arrays import FloatArray
    from .reading import StoredCell
    from .result import CellResult

# The dimensions of each curve behind those of the grid; "state" counts aggregations from 0, before round 0.
_DIMENSIONS: dict[str, tuple[str, ...]] = {
    "sampled_error": ("round",),
    "local_error": ("round", "step"),
    "subnetwork_errors": ("round", "substep", "subnetwork"),
}
_STATE = ("state",)
_DENSE = 64  # a grid may have this many times more places than there are cells
_NOT_AXES = ("path",)
LARGEST_INT64 = 2**63 - 1
_LARGEST_EXACT = 2**53  # of whole numbers as floats


class SparseGridError(ValueError):
    """The cells fill too little of the grid that they span."""


class _Places(NamedTuple):
    """Where the cells stand on the grid of what varies."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    places: list[tuple[int, ...]]  # of the cells

    def filled(self, values: Iterable[Any], kind: Any, empty: Any) -> tuple[tuple[str, ...], np.ndarray]:
        """Return one value per cell, and ``empty`` where there is None or no cell."""
        array = np.full(self.shape, empty, dtype=kind)
        for place, value in zip(self.places, values, strict=True):
            if value is not None:
                array[place] = value
        return self.axes, array

    def texts(self, values: Sequence[str], empty: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Return a word per cell, such as its status, and another where no cell was planned."""
        return self.filled(values, f"U{max(map(len, (*values, empty, ' ')))}", empty)

    def curves(self, name: str, curves: Sequence[FloatArray | None]) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the curves of all cells, those that are shorter filled up with NaN."""
        found = [(place, a) for place, a in zip(self.places, curves, strict=True) if a is not None]
        dimensions = _DIMENSIONS.get(name, _STATE)
        longest = tuple(np.max([a.shape for _, a in found], axis=0).tolist()) if found else (0,) * len(dimensions)
        kind = np.result_type(*(a.dtype for _, a in found)) if found else np.dtype(np.float32)
        checks.memory("Study.table", "curves", f"an array {name!r}", kind.itemsize * math.prod(self.shape + longest))
        array = np.full(self.shape + longest, np.nan, dtype=kind)
        for place, a in found:
            array[(*place, *(slice(0, size) for size in a.shape))] = a
        return (*self.axes, *dimensions), array


def build_table(cells: Sequence[StoredCell], *, curves: bool | Sequence[str] = True) -> xr.Dataset:
    """Return the results on the grid of the settings that vary; see `Study.table`."""
    import xarray as xr

    placed = [(settings, cell) for cell in cells for settings in cell.as_asked()]
    asked = [settings for settings, _ in placed]
    used = [cell.settings for _, cell in placed]
    axes = varying(asked)
    if "engine" in axes and not any(cell.asked for cell in cells):  # by a version that did not keep the plan's words
        by_auto = [settings | {"engine": "auto"} for settings in asked]
        if len(set(_places(by_auto, varying(by_auto)))) == len(placed):
            asked, axes = by_auto, varying(by_auto)
    shape = tuple(len(values) for values in axes.values())
    if math.prod(shape) > max(_DENSE * len(placed), 1000):
        raise SparseGridError(
            f"Study.table: {len(cells)} cells span a grid of {' x '.join(map(str, shape))} places "
            f"({', '.join(axes)}): use Study.select(...) or Study.records()"
        )
    grid = _Places(tuple(axes), shape, _places(asked, axes))
    unpacked = {cell.key: cell.result(curves=bool(curves)) for cell in cells}
    results = [unpacked[cell.key] for _, cell in placed]
    done = [result for result in results if result is not None]

    def numbers(value: Callable[[CellResult], float], kind: Any = float, empty: float = math.nan) -> Any:
        return grid.filled([None if result is None else value(result) for result in results], kind, empty)

    variables: dict[str, Any] = {
        "status": grid.texts(["pending" if result is None else result.status for result in results], "absent"),
        "step_size_used": numbers(lambda r: math.nan if r.step_size is None else r.step_size),
        "engine_used": grid.texts([settings["engine"] for settings in used], ""),
        "rounds_done": numbers(lambda r: r.rounds, np.int32, 0),
    }
    for name in names_in(result.finals for result in done):
        variables[name] = numbers(lambda r, name=name: r.finals.get(name, math.nan))
    for name in names_in(result.curves for result in done) if curves is True else curves or ():
        variables[name] = grid.curves(name, [None if r is None else r.curves.get(name) for r in results])
    coordinates: dict[str, Any] = {name: coordinate(values) for name, values in axes.items()}
    mixed = {*axes, *varying(used)}
    first, words = (used[0], asked[0]) if placed else ({}, {})
    fixed = {name: words.get(name) if name in mixed else value for name, value in first.items() if name not in axes}
    return xr.Dataset(variables, coords=coordinates, attrs=_attributes(fixed))


def varying(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return each setting that takes several values, with its values in order.

    Examples
    --------
    >>> varying([{"width": 10, "seed": 1}, {"width": 10, "seed": 0}])
    {'seed': [0, 1]}
    """
    axes: dict[str, list[Any]] = {}
    for name in names_in(settings):
        values = dict.fromkeys(_column(settings, name))
        if len(values) > 1 and name not in _NOT_AXES:
            axes[name] = sorted(values, key=_order)
    return axes


def coordinate(values: Sequence[Any]) -> np.ndarray:
    """Return the values as one array: numbers as they are (None as NaN), anything else as text.

    Numbers that would not keep apart as floats, such as seeds beyond 2**53 beside None, are text, too.
    """
    numbers = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in numbers):
        whole = all(isinstance(value, int) for value in numbers)
        if whole and len(numbers) == len(values):
            unsigned = min(numbers, default=0) >= 0 and max(numbers, default=0) > LARGEST_INT64
            return np.array(values, dtype=np.uint64 if unsigned else np.int64)
        if max((abs(value) for value in numbers if isinstance(value, int)), default=0) <= _LARGEST_EXACT:
            return np.array([math.nan if value is None else value for value in values], dtype=float)
    return np.array(["none" if value is None else str(value) for value in values])


def _places(settings: Sequence[Mapping[str, Any]], axes: Mapping[str, list[Any]]) -> list[tuple[int, ...]]:
    index = {name: {value: i for i, value in enumerate(values)} for name, values in axes.items()}
    columns = [[index[name][value] for value in _column(settings, name)] for name in axes]
    return list(zip(*columns, strict=True)) if columns else [()] * len(settings)


def _attributes(fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that all cells share, as netCDF can hold them."""
    plain: dict[str, Any] = {}
    for name, value in fixed.items():
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        plain[name] = "none" if value is None else str(value) if isinstance(value, bool) else value
    return plain


def names_in(mappings: Iterable[Iterable[str]]) -> list[str]:
    """Return the names in some mappings, each once, in the order in which they appear."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _column(settings: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """Return one setting of all cells, as values that can be compared and hashed."""
    values = [s.get(name) for s in settings]
    if any(isinstance(value, list) for value in values):
        return [tuple(value or ()) for value in values]
    return values


def _order(value: Any) -> tuple[int, Any]:
    """None first, then numbers by size, then everything else as text."""
    if value is None:
        return (0, 0)
    if isinstance(value, (int, float)):
        return (1, value)
    return (2, str(value))
