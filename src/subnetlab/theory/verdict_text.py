"""A verdict in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .record import Promise
    from .verdict import Verdict


def verdict_text(verdict: Verdict) -> str:
    """Return the verdict as a text for a reader who knows the paper's abstract."""
    paragraphs = [
        _convergence(verdict),
        _prediction(verdict),
        _kernels(verdict),
        _movement(verdict),
        _local_steps(verdict),
        *(_own(verdict, paper) for paper, _ in verdict.own_promises.values()),
    ]
    return "\n\n".join(paragraphs)


def promise_lines(promise: Promise) -> list[str]:
    """Return one line per hypothesis of a promise, or why it does not apply."""
    if not promise.applies:
        return [f"{promise.statement} ({promise.constants}) does not apply: {promise.reason}."]
    lines = [
        f"  {'met    ' if c.met else 'NOT met'} {c.name}: {c.value:.4g}, must be {c.relation} {c.limit:.4g}"
        for c in promise.conditions
    ]
    return lines + [f"  note: {note}" for note in promise.notes]


def _convergence(verdict: Verdict) -> str:
    paper, repaired = verdict.promises[verdict.theorem]
    if not paper.applies:
        return promise_lines(paper)[0]
    unmet = sum(not c.met for c in paper.conditions)
    lines = [f"{paper.statement} is about this run; {unmet} of its {len(paper.conditions)} hypotheses are not met:"]
    lines += promise_lines(paper)
    measured, unknown = verdict.measured, int(np.isnan(verdict.measured).sum())
    if paper.rate is not None and paper.floor is not None and paper.bound is not None:
        lines.append(
            f"It bounds the expected error by {paper.bound[len(measured) - 1]:.4g} after {len(measured) - 1} rounds "
            f"(rate {paper.rate:.6g} per round, floor {paper.floor:.4g}). Measured: {measured[0]:.4g} at the start, "
            f"{measured[-1]:.4g} at the end."
        )
        if paper.vacuous:
            lines.append("The bound is vacuous: it never falls below the initial error, so it says nothing here.")
        if unknown:
            lines.append(f"{unknown} of {len(measured)} errors were not recorded, and only the others are judged.")
        kept = "stayed below" if verdict.bound_kept else "EXCEEDED"
        lines.append(f"This run {kept} the bound{'' if paper.met else ', which its settings do not earn'}.")
    if repaired.applies and repaired.floor is not None:
        lines.append(f"With the errors of its proof repaired the floor is {repaired.floor:.4g}.")
    return "\n".join(lines)


def _prediction(verdict: Verdict) -> str:
    if verdict.prediction is None:
        return "The lazy prediction is not about this scheme or network."
    predicted = verdict.prediction.full_error[: len(verdict.measured)]
    known = ~np.isnan(verdict.measured)
    apart = np.abs(verdict.measured[known] / np.maximum(predicted[known], 1e-300) - 1)
    kinks = "while activation patterns stay as they were"
    if verdict.prediction.patterns == "moving":
        kinks = "with a sample of neurons followed across their kinks"
    return (
        f"The lazy prediction (no bound but the expectation over masks, {kinks}) ends at {predicted[-1]:.4g}, "
        f"measured {verdict.measured[-1]:.4g}; in the median round they differ by {100 * np.median(apart):.1f}%; one "
        f"run scatters about its expectation. Its floor for ever more rounds is {verdict.prediction.floor:.4g}."
    )


def _kernels(verdict: Verdict) -> str:
    values, half = verdict.eigenvalues.values, verdict.setting.smallest_eigenvalue / 2
    share = float(np.mean(values >= half))
    return (
        f"Theorem 2 promises every masked NTK an eigenvalue of at least lambda_0/2 = {half:.4g}. Of {values.size} "
        f"looked at, {100 * share:.1f}% have it; the smallest is {values.min():.4g}."
    )


def _movement(verdict: Verdict) -> str:
    inside = "within" if verdict.movement <= verdict.radius else "far beyond"
    return (
        f"The neuron that moved most moved by {verdict.movement:.4g}, {inside} the R = {verdict.radius:.4g} that the "
        f"proofs need."
    )


def _local_steps(verdict: Verdict) -> str:
    share, limit = verdict.local_rates_kept, verdict.local_rate_limit
    if np.isnan(share) and verdict.recorded in ("rounds", "none"):
        return (
            f"Hypothesis 1 is about the errors inside rounds, which a run with record={verdict.recorded!r} does not "
            f"keep. To judge it, train with record='mean' or record='subnetworks'."
        )
    if np.isnan(share):
        return "No local step has errors above rounding, so Hypothesis 1 cannot be judged."
    of_what = "each subnetwork's error" if verdict.local_rates.shape[2] > 1 else "the recorded error"
    return (
        f"Hypothesis 1 promises that {of_what} falls by the factor {limit:.6g} or better in every local step; "
        f"{100 * share:.1f}% of the steps did, the worst factor is {np.nanmax(verdict.local_rates):.6g}."
    )


def _own(verdict: Verdict, promise: Promise) -> str:
    """Return what a statement that is not the paper's says of the run."""
    lines = promise_lines(promise)
    if not promise.applies:
        return lines[0]
    unmet = sum(not c.met for c in promise.conditions)
    lines = [f"{promise.statement} applies; {unmet} of its {len(promise.conditions)} hypotheses are not met:", *lines]
    if promise.bound is not None:
        kept = "stayed below" if verdict.within(promise) else "EXCEEDED"
        last = promise.bound[len(verdict.measured) - 1]
        lines.append(f"This run {kept} its bound, which is {last:.4g} at the end; measured {verdict.measured[-1]:.4g}.")
    return "\n".join(lines)
