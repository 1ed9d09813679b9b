"""What a reproduction says in the terminal."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from .settings import reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .claims import Verdict
    from .settings import ReproductionSettings


def settings_text(settings: ReproductionSettings) -> str:
    """Return the settings, each that the paper leaves open with the reason of its default."""
    why = reasons()
    lines = ["settings (those with a reason are not in the paper):"]
    for field in fields(settings):
        if field.name == "dataset":
            continue
        value = getattr(settings, field.name)
        shown = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        lines.append(f"  {field.name:<26}{shown:<26}{why.get(field.name, '')}".rstrip())
    return "\n".join(lines)


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
        lines.append(
            f"  {verdict.outcome:<10}{numbers:<30}agreement {verdict.agreement:+.2f}  "
            f"{verdict.protocol:<18}{verdict.measure}"
        )
    return "\n".join(lines)
