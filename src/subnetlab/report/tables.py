"""Tables: the numbers of a grid, for readers who do not see the heatmap, and the verdicts on the paper's claims."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .grid import final_numbers, status_letters
from .parts import Cell, Folded, Outcome, Table
from .provenance import plain
from .rounding import shown
from .words import MEASURES, lettered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .grid import CellGrid

_WORDS = {"d": "diverged", "f": "failed", "p": "not run", "a": "absent"}
_MOST_ROWS = 400
_COLUMNS = ["error", "read", "", "effect [95% interval]", "agreement [95% interval]"]


def matrix_tables(grid: CellGrid, last_rounds: int | None) -> Folded:
    """Return a grid of two axes as a table per measure: the means over the seeds."""
    rows, columns = grid.axes
    numbers, status = final_numbers(grid, last_rounds), status_letters(grid)
    seeds = len(grid.repetitions)
    tables: list[Table] = []
    for measure, label in MEASURES.items():
        cells = [
            _mean(numbers[measure][place * seeds : (place + 1) * seeds], status[place * seeds : (place + 1) * seeds])
            for place in range(grid.places)
        ]
        width = len(columns.values)
        body = [[f"{rows.short} = {name}", *cells[r * width : (r + 1) * width]] for r, name in enumerate(rows.labels)]
        header = [
            f"{rows.short} \\ {columns.short}",
            *(f"{columns.short} = {name}" for name in columns.labels),
        ]
        over = f", mean of {seeds} seeds" if seeds > 1 else ""
        tables.append(Table(f"Training error {label}{over}.", header, body))
    return Folded("The heatmaps as tables", tables)


def record_table(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Folded:
    """Return one row per cell: what varies, its status and its final errors."""
    kept = records[:_MOST_ROWS]
    errors = ("final_full_error", "final_local_error", "final_sampled_error")
    header = ["cell", *(name.replace("_", " ") for name in names), "status"]
    header += MEASURES.values()
    body = [
        [
            record["key"][:8],
            *(plain(record.get(name)) for name in names),
            record["status"],
            *(shown(record[e]) if isinstance(record.get(e), float) else "none" for e in errors),
        ]
        for record in kept
    ]
    which = (
        f"all {len(records)} cells" if len(kept) == len(records) else f"the first {len(kept)} of {len(records)} cells"
    )
    caption = f"Settings that vary, and training errors in the last round, of {which}."
    return Folded(f"The cells as a table ({which})", [Table(caption, header, body)])


def _mean(values: Sequence[float | None], states: str) -> str:
    there = [(value, state) for value, state in zip(values, states, strict=True) if state != "a"]
    if not there:
        return _WORDS["a"]
    if bad := next((state for _, state in there if state != "o"), None):
        return _WORDS[bad]
    known = [value for value, _ in there if value is not None]
    return shown(float(np.mean(known))) if len(known) == len(there) else "not recorded"


def outcome_tables(verdicts: Sequence[Mapping[str, Any]], figure: str) -> list[Table]:
    """Return the table of the verdicts on the claims made of one figure, if there are any; a claim is named once."""
    groups: dict[str, list[list[Cell]]] = {}
    for verdict in verdicts:
        if verdict["figure"] == figure:
            groups.setdefault(lettered(verdict["claim"]), []).append(
                [
                    verdict["measure"],
                    lettered(verdict["protocol"]),
                    Outcome(verdict["outcome"]),
                    _effect(verdict),
                    _agreement(verdict),
                ]
            )
    if not groups:
        return []
    seeds = max(verdict["seeds"] for verdict in verdicts if verdict["figure"] == figure)
    together = any("p_value" in verdict for verdict in verdicts if verdict["figure"] == figure)  # not before 0.1
    rules = (
        "All verdicts are decided together, so that with probability 95% none is wrong by chance; effects below 2% "
        "decide nothing, and the agreement must be at least 0.5 with its whole interval (1 where every step is meant)."
        if together
        else "HOLDS needs an interval above 0 and an agreement of at least 0.5; FAILS is the mirror image."
    )
    caption = (
        f"What the paper claims of Figure {figure}, and whether these runs show it ({seeds} seeds). The effect is a "
        f"log ratio of errors, positive as claimed; the agreement is the share of single comparisons as claimed minus "
        f"the share the other way round. {rules}"
    )
    return [Table(caption, _COLUMNS, groups, "words outcomes")]


def _effect(verdict: Mapping[str, Any]) -> str:
    mean, low, high = (_number(verdict[f"effect_{name}"]) for name in ("mean", "low", "high"))
    if math.isnan(mean):
        return "nothing to compare"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{mean:+.2f} (one seed: no interval)"
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def _agreement(verdict: Mapping[str, Any]) -> str:
    """Return the agreement, with its interval if it has one."""
    mean, low, high = (_number(verdict.get(f"agreement{end}")) for end in ("", "_low", "_high"))
    if math.isnan(mean):
        return ""
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]" if math.isfinite(low) and math.isfinite(high) else f"{mean:+.2f}"


def _number(value: float | None) -> float:
    """Return a number as it is written in JSON, which knows no NaN."""
    return math.nan if value is None else float(value)
