"""A run held against the theory, as sections of its page: figures, tables, words; or one line that says why not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..training.certificate import certificate_of, why_not
from .bound_figure import bound_curves, bound_figure
from .eigenvalue_figure import eigenvalue_figure
from .page import Section
from .parts import Folded, Outcome, Paragraph, Table
from .rounding import shown
from .run_parts import numbers_table
from .words import lettered

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..theory.prediction import Prediction
    from ..theory.record import Promise
    from ..theory.run_verdict import RunVerdict
    from ..training import TrainingRun

_MOST_ROWS = 1000  # more make the kernels of 200 subnetworks slow
_RELATIONS = {">=": "at least", "<=": "at most", ">": "above"}


def judge(run: TrainingRun) -> tuple[RunVerdict | None, str]:
    """Return the theory's verdict on a run, or None; and why there is none, or why it has no certificate."""
    if run.history.rounds == 0:
        return None, "the run completed no round"
    if reason := run.settings.beyond_the_paper():
        return None, reason
    if len(run.data.X) > _MOST_ROWS:
        return None, f"{len(run.data.X)} rows would make it slow; subnetlab theory does it"
    try:
        verdict = run.theory(certificate="never")
    except ValueError as error:
        return None, str(error).removeprefix("theory: ")
    try:
        certificate = certificate_of(run, "auto")
    except ValueError as error:  # its numbers overflow
        return verdict, str(error).removeprefix("certify: ")
    if certificate is None:
        return verdict, why_not(run) or "it would take more than about a minute; subnetlab.certify computes it"
    return replace(verdict, certificate=certificate), ""


def theory_sections(verdict: RunVerdict | None, reason: str) -> list[Section]:
    """Return what the theory promises and predicts, and the eigenvalues behind it; of what `judge` returned."""
    if verdict is None:
        note = Paragraph(f"This run is not held against the theory: {reason}.", "note")
        return [Section("theory", "What the theory says", [note])]
    words = [Paragraph(part, "verdict") for part in str(verdict).split("\n\n")]
    figure = bound_figure(verdict, reason)
    parts = [figure, promise_table(verdict), *hypothesis_tables(verdict), bound_table(verdict)]
    return [
        Section("theory", "What the theory says", [*parts, Folded("The same in words", words)]),
        Section("eigenvalues", "Eigenvalues of the masked kernels", [eigenvalue_figure(verdict)]),
    ]


def promise_table(verdict: RunVerdict) -> Table:
    """Return a row per promise: what it says, what was measured, whether it was kept."""
    found = (_bound(verdict), _certificate(verdict), _kernels(verdict), _movement(verdict), _local(verdict))
    rows = [row for row in found if row]
    if verdict.prediction is not None and verdict.prediction_gap is not None:
        rows.append(_prediction(verdict.measured, verdict.prediction, verdict.prediction_gap))
    rows += [_own(verdict, paper) for paper, _ in verdict.own_promises.values()]
    header = ["statement", "says", "measured", ""]
    caption = "What the theory says of this run, and what the run did."
    return Table(caption, header, [[*row[:3], Outcome(row[3]) if row[3] else ""] for row in rows], "words")


def bound_table(verdict: RunVerdict) -> Folded:
    """Return the numbers of the figure of bounds, round by round."""
    columns = {curve.name: curve.values for curve in bound_curves(verdict)}
    said = "The error of the whole network after so many rounds, and what bounds it"
    return numbers_table("Error and bounds", said, columns, np.arange(len(verdict.measured)), "rounds made")


def hypothesis_tables(verdict: RunVerdict) -> list[Table]:
    """Return the hypotheses of the convergence theorem, if it has any, with what the settings give."""
    paper, _ = verdict.promises[verdict.theorem]
    if not paper.conditions:
        return []
    rows = [
        [
            lettered(c.name),
            shown(c.value),
            f"{_RELATIONS[c.relation]} {shown(c.limit)}",
            Outcome("MET" if c.met else "NOT MET"),
        ]
        for c in paper.conditions
    ]
    caption = f"What {paper.statement} asks of the settings: {paper.earned}."
    return [Table(caption, ["hypothesis", "here", "must be", ""], rows, "words")]


def _bound(verdict: RunVerdict) -> tuple[str, str, str, str] | None:
    paper, _ = verdict.promises[verdict.theorem]
    measured = verdict.measured
    if paper.bound is None:
        return None
    says = f"mean error at most {shown(float(paper.bound[len(measured) - 1]))} after {len(measured) - 1} rounds"
    outcome = "VACUOUS" if paper.vacuous else "KEPT" if verdict.bound_kept else "BROKEN"
    return f"{paper.statement}, bound", says, shown(float(measured[-1])), outcome


def _certificate(verdict: RunVerdict) -> tuple[str, str, str, str] | None:
    certificate = verdict.certificate
    if certificate is None:
        return None
    rounds, crossed = len(certificate.factors), int(certificate.crossed.sum())
    says = (
        f"error at most {shown(float(certificate.bound[-1]))} after {rounds} rounds, proven from this run's masks, "
        f"kernels and {crossed:,} changes of activation patterns"
    )
    kept = "KEPT" if (certificate.measured <= certificate.bound).all() else "BROKEN"
    outcome = "VACUOUS" if certificate.vacuous else kept
    return "certificate of this run", says, shown(float(verdict.measured[-1])), outcome


def _own(verdict: RunVerdict, promise: Promise) -> tuple[str, str, str, str]:
    """Return the row of a statement that is not the paper's."""
    if not promise.applies:
        return promise.statement, f"does not apply: {promise.reason}", "", ""
    unmet = [c.name for c in promise.conditions if not c.met]
    hypotheses = f"not met: {', '.join(unmet)}" if unmet else "all hypotheses are met"
    if promise.bound is None:
        return promise.statement, "; ".join((hypotheses, *promise.notes)), "", ""
    rounds = len(verdict.measured) - 1
    says = f"mean error at most {shown(float(promise.bound[rounds]))} after {rounds} rounds; {hypotheses}"
    outcome = "VACUOUS" if promise.vacuous else "KEPT" if verdict.within(promise) else "BROKEN"
    return promise.statement, says, shown(float(verdict.measured[-1])), outcome


def _kernels(verdict: RunVerdict) -> tuple[str, str, str, str]:
    values, half = verdict.eigenvalues.values, verdict.setting.smallest_eigenvalue / 2
    says = f"every masked kernel's smallest eigenvalue at least {shown(half)}"
    if reason := verdict.promises["theorem2"][0].reason:
        return "Theorem 2", f"does not apply: {reason}", shown(float(values.min())), ""
    found = f"{shown(float(values.min()))}; {100 * verdict.kernel_share:.3g}% of {values.size}"
    return "Theorem 2", says, found, "KEPT" if verdict.kernels_kept else "BROKEN"


def _movement(verdict: RunVerdict) -> tuple[str, str, str, str]:
    kept = "KEPT" if verdict.movement <= verdict.radius else "BROKEN"
    return (
        "what the proofs need",
        f"no neuron moves further than {shown(verdict.radius)}",
        shown(verdict.movement),
        kept,
    )


def _local(verdict: RunVerdict) -> tuple[str, str, str, str] | None:
    share = verdict.local_rates_kept
    if np.isnan(share):
        return None
    says = f"each local step lowers the error by the factor {shown(verdict.local_rate_limit, 6)} or better"
    if reason := verdict.promises["hypothesis1"][0].reason:
        return "Hypothesis 1", f"does not apply: {reason}", "", ""
    found = f"worst {shown(float(np.nanmax(verdict.local_rates)), 6)}; {100 * share:.4g}% of the steps"
    return "Hypothesis 1", says, found, "KEPT" if share == 1 else "BROKEN"


def _prediction(measured: FloatArray, prediction: Prediction, gap: float) -> tuple[str, str, str, str]:
    says = f"mean error {shown(float(prediction.full_error[len(measured) - 1]))} at the end"
    return "lazy prediction", says, f"{shown(float(measured[-1]))}; {100 * gap:.3g}% apart in the median round", ""
