"""What a reproduction says in the terminal."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING

from .settings import reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..study.data import DatasetSpec
    from .claims import Verdict
    from .figure import View
    from .settings import ReproductionSettings

_PREPROCESSING = "rows to norm 1: the least that the theory's unit rows ask for"
_VIEW = {
    "shown": "the error of a heatmap: Algorithm 1 returns the aggregated network; the others are drawn beside it",
    "variance": "over what Figure 2a takes mean and variance",
    "inset_rounds": "rounds of the detail of Figure 2a",
}


def settings_text(settings: ReproductionSettings, view: View) -> str:
    """Return the settings, each that the paper leaves open with the reason of its default."""
    lines = ["settings (those with a reason are not in the paper):"]
    shown = {f.name: getattr(part, f.name) for part in (settings, view) for f in fields(part)}
    why = {"preprocessing": _PREPROCESSING, **reasons(), **_VIEW}
    for name, value in {"preprocessing": _preprocessing(shown.pop("dataset")), **shown}.items():
        text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        lines.append(f"  {name:<26}{text:<26}{why.get(name, '')}".rstrip())
    return "\n".join(lines)


def _preprocessing(dataset: DatasetSpec) -> tuple[str, ...]:
    added = ("centre_target", "intercept", "impute")
    return (dataset.scaling, *(name for name in added if getattr(dataset, name)))


def verdicts_text(verdicts: Sequence[Verdict]) -> str:
    """Return the table of verdicts; claims once, and under each a line per measure and protocol."""
    lines = [
        "claims of Section 5. effect: log ratio of errors, mean [95% interval] over seeds, positive as claimed;",
        "agreement: share of single comparisons as claimed minus share the other way round",
    ]
    said = None
    for verdict in verdicts:
        claim = f"Figure {verdict.figure}: {verdict.claim}"
        if claim != said:
            lines += ["", claim]
            said = claim
        effect = verdict.effect
        numbers = f"effect {effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]"
        found = f"{numbers:<30}agreement {verdict.agreement:+.2f}"
        if math.isnan(effect.mean):
            found = "nothing to compare"
        lines.append(f"  {verdict.outcome:<10}{found:<47}{verdict.protocol:<18}{verdict.measure}")
    return "\n".join(lines)
