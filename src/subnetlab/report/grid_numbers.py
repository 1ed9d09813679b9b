"""What the page holds of a grid's cells: one number per cell, measure and seed, and curves over the seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .rounding import compact, spread

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray
    from ..study.result import CellResult
    from .grid import CellGrid

MEASURES = {"full": "after aggregation", "local": "after local training", "sampled": "after sampling"}
_FINALS = {"full": "final_full_error", "local": "final_local_error", "sampled": "final_sampled_error"}
_STATES = {"ok": "o", "diverged": "d", "failed": "f", "pending": "p"}
_MOST_NUMBERS = 150_000  # of all curves together; about 1 MB
_FEWEST, _MOST = 12, 60  # points of a curve; below the first the page holds none


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
    several = len(grid.repetitions) > 1
    parts = ("mean", "low", "high") if several else ("mean",)
    numbers: dict[str, dict[str, list[Any]]] = {measure: {part: [] for part in parts} for measure in MEASURES}
    for place in range(grid.places):
        results = [e.result for e in grid.at(place) if e is not None and e.status == "ok" and e.result is not None]
        for measure, kept in numbers.items():
            curves = [c[rounds[rounds < len(c)]] for r in results if (c := measured(r, measure)) is not None]
            stacked = np.array(curves, dtype=np.float64) if curves else None
            kept["mean"].append(None if stacked is None else compact(stacked.mean(axis=0)))
            if several:
                kept["low"].append(None if stacked is None else compact(stacked.min(axis=0)))
                kept["high"].append(None if stacked is None else compact(stacked.max(axis=0)))
    return numbers


def measured(result: CellResult, measure: str) -> FloatArray | None:
    """Return one error per round, shape (K,), or None if the study kept no curves."""
    curves = result.curves
    match measure:
        case "sampled":
            return curves.get("sampled_error")
        case "local":
            local = curves.get("local_error")
            return None if local is None else local[:, -1]
        case _:
            full = curves.get("full_error")
            return None if full is None else full[1:]


def _final(result: CellResult | None, measure: str, last_rounds: int | None) -> float:
    if result is None:
        return float("nan")
    curve = measured(result, measure)
    if last_rounds is None or curve is None:
        return result.finals.get(_FINALS[measure], float("nan"))
    return float(curve[-last_rounds:].astype(np.float64).mean()) if len(curve) else float("nan")
