"""The verdicts on the paper's claims, as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .markup import Markup, grouped_table, lettered, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_COLUMNS = ["error", "read", "", "effect [95% interval]", "agreement"]


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
                    text("" if math.isnan(_number(verdict["agreement"])) else f"{verdict['agreement']:+.2f}"),
                ]
            )
    if not groups:
        return Markup("")
    seeds = max(verdict["seeds"] for verdict in verdicts if verdict["figure"] == figure)
    caption = text(
        f"What the paper claims of Figure {figure}, and whether these runs show it ({seeds} seeds). The effect is a "
        f"log ratio of errors, positive as claimed; the agreement is the share of single comparisons as claimed minus "
        f"the share the other way round. HOLDS needs an interval above 0 and an agreement of at least 0.5; FAILS is "
        f"the mirror image."
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


def _number(value: float | None) -> float:
    """Return a number as it is written in JSON, which knows no NaN."""
    return math.nan if value is None else float(value)
