"""Tables: the numbers of a grid, for readers who do not see the heatmap, and the verdicts on the paper's claims."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .grid import MEASURES, final_numbers, status_letters
from .markup import Markup, folded, grouped_table, joined, lettered, table, text
from .provenance import plain
from .rounding import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .grid import CellGrid

_WORDS = {"d": "diverged", "f": "failed", "p": "not run", "a": "absent"}
_MOST_ROWS = 400
_TONES = {
    "HOLDS": "good",
    "KEPT": "good",
    "MET": "good",
    "FAILS": "bad",
    "BROKEN": "bad",
    "NOT MET": "bad",
    "UNDECIDED": "open",
    "VACUOUS": "open",
}
_COLUMNS = ["error", "read", "", "effect [95% interval]", "agreement [95% interval]"]


def matrix_tables(grid: CellGrid, last_rounds: int | None) -> Markup:
    """Return a grid of two axes as a table per measure: the means over the seeds."""
    rows, columns = grid.axes
    numbers, status = final_numbers(grid, last_rounds), status_letters(grid)
    seeds = len(grid.repetitions)
    tables: list[Markup] = []
    for measure, label in MEASURES.items():
        cells = [
            _mean(numbers[measure][place * seeds : (place + 1) * seeds], status[place * seeds : (place + 1) * seeds])
            for place in range(grid.places)
        ]
        width = len(columns.values)
        body = [
            [text(f"{rows.short} = {name}"), *(text(cell) for cell in cells[r * width : (r + 1) * width])]
            for r, name in enumerate(rows.labels)
        ]
        header = [
            text(f"{rows.short} \\ {columns.short}"),
            *(text(f"{columns.short} = {name}") for name in columns.labels),
        ]
        over = f", mean of {seeds} seeds" if seeds > 1 else ""
        tables.append(table(text(f"Training error {label}{over}."), header, body))
    return folded("The heatmaps as tables", joined(tables))


def record_table(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Markup:
    """Return one row per cell: what varies, its status and its final errors."""
    kept = records[:_MOST_ROWS]
    errors = ("final_full_error", "final_local_error", "final_sampled_error")
    header = [text("cell"), *(text(name.replace("_", " ")) for name in names), text("status")]
    header += [text(label) for label in MEASURES.values()]
    body = [
        [
            text(record["key"][:8]),
            *(text(plain(record.get(name))) for name in names),
            text(record["status"]),
            *(text(shown(record[e]) if isinstance(record.get(e), float) else "none") for e in errors),
        ]
        for record in kept
    ]
    which = (
        f"all {len(records)} cells" if len(kept) == len(records) else f"the first {len(kept)} of {len(records)} cells"
    )
    caption = text(f"Settings that vary, and training errors in the last round, of {which}.")
    return folded(f"The cells as a table ({which})", table(caption, header, body))


def _mean(values: Sequence[float | None], states: str) -> str:
    there = [(value, state) for value, state in zip(values, states, strict=True) if state != "a"]
    if not there:
        return _WORDS["a"]
    if bad := next((state for _, state in there if state != "o"), None):
        return _WORDS[bad]
    known = [value for value, _ in there if value is not None]
    return shown(float(np.mean(known))) if len(known) == len(there) else "not recorded"


def outcome_table(verdicts: Sequence[Mapping[str, Any]], figure: str) -> Markup:
    """Return the verdicts on the claims made of one figure, nothing if there are none; a claim is named once."""
    groups: dict[Markup, list[list[Markup]]] = {}
    for verdict in verdicts:
        if verdict["figure"] == figure:
            groups.setdefault(lettered(verdict["claim"]), []).append(
                [
                    text(verdict["measure"]),
                    lettered(verdict["protocol"]),
                    outcome_mark(verdict["outcome"]),
                    _unbroken(_effect(verdict)),
                    _unbroken(_agreement(verdict)),
                ]
            )
    if not groups:
        return Markup("")
    seeds = max(verdict["seeds"] for verdict in verdicts if verdict["figure"] == figure)
    together = any("p_value" in verdict for verdict in verdicts if verdict["figure"] == figure)  # not before 0.1
    rules = (
        "All verdicts are decided together, so that with probability 95% none is wrong by chance; effects below 2% "
        "decide nothing, and the agreement must be at least 0.5 with its whole interval (1 where every step is meant)."
        if together
        else "HOLDS needs an interval above 0 and an agreement of at least 0.5; FAILS is the mirror image."
    )
    caption = text(
        f"What the paper claims of Figure {figure}, and whether these runs show it ({seeds} seeds). The effect is a "
        f"log ratio of errors, positive as claimed; the agreement is the share of single comparisons as claimed minus "
        f"the share the other way round. {rules}"
    )
    return grouped_table(caption, [text(name) for name in _COLUMNS], groups, "words")


def outcome_mark(outcome: str) -> Markup:
    """Return an outcome, HOLDS for example: a word, and a colour besides."""
    return Markup(f'<span class="outcome {_TONES.get(outcome, "open")}">{text(outcome)}</span>')


def _unbroken(words: str) -> Markup:
    return Markup(f'<span class="unbroken">{text(words)}</span>')


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
