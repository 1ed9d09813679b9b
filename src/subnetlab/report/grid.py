"""The cells of a study on the grid of what varies, repetitions apart, and what the page holds of them in numbers.

One number per cell, measure and seed, and curves over the seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..study.table import varying
from .rounding import compact, shown, spread
from .words import MEASURES, NAMES, title_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..core.arrays import FloatArray, IntArray
    from ..study.result import CellResult

REPEATED = ("seed", "network_seed")  # cells that differ in nothing else are repetitions of one another
# settings that others may have decided, and that are then no axes: "auto" took an engine, each dataset has its rows
_FOLLOWING = ("engine", "n_samples", "n_features", "smallest_eigenvalue", "target")
_MOST_PLACES = 20_000
_SPARSE = 8  # the grid may have this many times more places than there are cells

_CURVES = {"full": "full_error", "local": "local_error", "sampled": "sampled_error"}
_STATES = {"ok": "o", "diverged": "d", "failed": "f", "pending": "p"}
_MOST_NUMBERS = 150_000  # of all curves together; about 1 MB
_FEWEST, _MOST = 12, 60  # points of a curve; below the first the page holds none


@dataclass(frozen=True)
class Entry:
    """A cell: its settings, its status and, if it has one, its result."""

    key: str
    settings: Mapping[str, Any]
    status: str
    result: CellResult | None


@dataclass(frozen=True)
class Axis:
    """A setting that varies, and its values in order."""

    name: str
    values: tuple[Any, ...]

    @property
    def short(self) -> str:
        """The letter, or the name where the paper has none."""
        return NAMES.get(self.name, (self.name.replace("_", " "),))[0]

    @property
    def title(self) -> str:
        """Words and letter."""
        return title_of(self.name)

    @property
    def labels(self) -> list[str]:
        """The values as text."""
        return [_label(value) for value in self.values]


@dataclass(frozen=True)
class CellGrid:
    """Cells by their place.

    Parameters
    ----------
    axes : tuple of Axis
    repetitions : tuple of str
        The seeds, in order.
    entries : dict
        By place (an index per axis, row-major) and repetition.
    """

    axes: tuple[Axis, ...]
    repetitions: tuple[str, ...]
    entries: dict[tuple[int, int], Entry]

    @property
    def places(self) -> int:
        """The number of places, with a cell or without."""
        return math.prod(len(axis.values) for axis in self.axes)

    def at(self, place: int) -> list[Entry | None]:
        """Return the repetitions at a place."""
        return [self.entries.get((place, r)) for r in range(len(self.repetitions))]

    def indices_of(self, place: int) -> tuple[int, ...]:
        """Return the index per axis of a place."""
        indices: list[int] = []
        for axis in reversed(self.axes):
            place, index = divmod(place, len(axis.values))
            indices.append(index)
        return tuple(reversed(indices))

    def middle(self) -> tuple[int, ...]:
        """Return the indices of the cell with a good result that is nearest to the middle, to look at first."""
        middle = [len(axis.values) // 2 for axis in self.axes]
        good = {place for (place, _), entry in self.entries.items() if entry.status == "ok"}
        places = [self.indices_of(place) for place in sorted(good or {place for place, _ in self.entries})]
        return min(places, key=lambda at: sum(abs(i - j) for i, j in zip(at, middle, strict=True)))

    def place_of(self, *indices: int) -> int:
        """Return the place of an index per axis."""
        place = 0
        for axis, index in zip(self.axes, indices, strict=True):
            place = place * len(axis.values) + index
        return place


def build_grid(entries: Sequence[Entry]) -> CellGrid | None:
    """Return the grid, or None where the cells fill too little of what they span.

    Examples
    --------
    >>> settings = [{"n_subnetworks": p, "seed": seed, "network_seed": seed} for p in (1, 4) for seed in (0, 1)]
    >>> grid = build_grid([Entry(str(i), s, "pending", None) for i, s in enumerate(settings)])
    >>> [axis.name for axis in grid.axes], grid.repetitions, grid.places
    (['n_subnetworks'], ('0', '1'), 2)
    """
    found = varying([{k: v for k, v in entry.settings.items() if k not in REPEATED} for entry in entries])
    for name in _FOLLOWING:
        if name in found and not _collide(entries, [other for other in found if other != name]):
            del found[name]
    axes = tuple(Axis(name, tuple(values)) for name, values in found.items())
    seeds = list(dict.fromkeys(sorted(_seeds(entry) for entry in entries)))
    grid = CellGrid(axes, tuple(_seed_label(s) for s in seeds), {})
    if grid.places > min(_MOST_PLACES, max(50, _SPARSE * len(entries))):
        return None
    order = {axis.name: {value: i for i, value in enumerate(axis.values)} for axis in axes}
    for entry in entries:
        indices = (order[axis.name][_hashable(entry.settings.get(axis.name))] for axis in axes)
        grid.entries[grid.place_of(*indices), seeds.index(_seeds(entry))] = entry
    return grid


def _collide(entries: Iterable[Entry], names: Sequence[str]) -> bool:
    seen = [(*_seeds(entry), *(_hashable(entry.settings.get(name)) for name in names)) for entry in entries]
    return len(set(seen)) < len(seen)


def _seeds(entry: Entry) -> tuple[int, int]:
    seed, network = (entry.settings.get(name, 0) for name in REPEATED)
    return int(seed), int(seed if network == "seed" else network)  # a network seed of "seed" follows the seed


def _seed_label(seeds: tuple[int, int]) -> str:
    seed, network = seeds
    return str(seed) if network in (0, seed) else f"{seed}, network {network}"


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _label(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
    return shown(float(value), 6)


def final_numbers(grid: CellGrid, last_rounds: int | None) -> dict[str, list[Any]]:
    """Return the final error of every cell and seed, by measure.

    Parameters
    ----------
    grid : CellGrid
    last_rounds : int, optional
        Over how many last rounds to take the mean; None takes the last round's, in full precision.
    """
    return {
        measure: [
            compact(_final(entry.result, measure, last_rounds)) if entry is not None and entry.status == "ok" else None
            for place in range(grid.places)
            for entry in grid.at(place)
        ]
        for measure in MEASURES
    }


def status_letters(grid: CellGrid) -> str:
    """Return a letter per cell and seed: o(k), d(iverged), f(ailed), p(ending), a(bsent)."""
    return "".join(
        "a" if entry is None else _STATES.get(entry.status, "f")
        for place in range(grid.places)
        for entry in grid.at(place)
    )


def curve_rounds(grid: CellGrid) -> IntArray:
    """Return the rounds of which the page holds errors; empty if it holds no curves."""
    longest = max(
        (e.result.rounds for e in grid.entries.values() if e.result is not None and e.result.curves), default=0
    )
    curves = grid.places * len(MEASURES) * (3 if len(grid.repetitions) > 1 else 1)
    points = min(_MOST, _MOST_NUMBERS // curves)
    return spread(longest, points) if points >= _FEWEST else np.arange(0)


def curve_numbers(grid: CellGrid, rounds: IntArray) -> dict[str, dict[str, list[Any]]]:
    """Return the mean, the least and the largest over the seeds of each cell's errors, by measure.

    A cell that is not "ok" for every seed has the curves of those that are.
    """
    parts = {"mean": np.mean, "low": np.min, "high": np.max} if len(grid.repetitions) > 1 else {"mean": np.mean}
    numbers: dict[str, dict[str, list[Any]]] = {measure: {part: [] for part in parts} for measure in MEASURES}
    for place in range(grid.places):
        results = [e.result for e in grid.at(place) if e is not None and e.status == "ok" and e.result is not None]
        for measure, kept in numbers.items():
            curves = [c[rounds[rounds < len(c)]] for r in results if (c := measured(r, measure)) is not None]
            stacked = np.array(curves, dtype=np.float64) if curves else None
            for part, of in parts.items():
                kept[part].append(None if stacked is None else compact(of(stacked, axis=0)))
    return numbers


def measured(result: CellResult, measure: str) -> FloatArray | None:
    """Return one error per round, shape (K,), or None if the study kept no curves."""
    curve = result.curves.get(_CURVES[measure])
    if curve is None or measure == "sampled":
        return curve
    return curve[:, -1] if measure == "local" else curve[1:]


def _final(result: CellResult | None, measure: str, last_rounds: int | None) -> float:
    if result is None:
        return float("nan")
    curve = measured(result, measure)
    if last_rounds is None or curve is None:
        return result.finals.get(f"final_{_CURVES[measure]}", float("nan"))
    return float(curve[-last_rounds:].astype(np.float64).mean()) if len(curve) else float("nan")
