"""A run held against the theory, as sections of its page; or in one line why it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bound_figure import bound_figure
from .eigenvalue_figure import eigenvalue_figure
from .markup import folded, joined, paragraph, text
from .page import Section
from .promise_tables import hypothesis_table, promise_table

if TYPE_CHECKING:
    from ..theory.run_verdict import RunVerdict
    from ..training import TrainingRun

_MOST_ROWS = 1000  # more make the kernels of 200 subnetworks slow


def judge(run: TrainingRun) -> tuple[RunVerdict | None, str]:
    """Return the theory's verdict on a run, or None and the reason."""
    if run.history.rounds == 0:
        return None, "the run completed no round"
    if reason := run.settings.beyond_the_paper():
        return None, reason
    if len(run.data.X) > _MOST_ROWS:
        return None, f"{len(run.data.X)} rows would make it slow; subnetlab theory does it"
    try:
        return run.theory(), ""
    except ValueError as error:
        return None, str(error).removeprefix("theory: ")


def theory_sections(verdict: RunVerdict | None, why_not: str) -> list[Section]:
    """Return what the theory promises and predicts, and the eigenvalues behind it."""
    if verdict is None:
        note = paragraph(text(f"This run is not held against the theory: {why_not}."), "note")
        return [Section("theory", "What the theory says", note)]
    words = joined(paragraph(text(part), "verdict") for part in str(verdict).split("\n\n"))
    parts = [bound_figure(verdict).markup(), promise_table(verdict), hypothesis_table(verdict)]
    return [
        Section("theory", "What the theory says", joined([*parts, folded("The same in words", words)])),
        Section("eigenvalues", "Eigenvalues of the masked kernels", eigenvalue_figure(verdict).markup()),
    ]
