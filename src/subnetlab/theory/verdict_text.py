"""A run held against the theory, in words for readers of the paper's abstract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .convergence import singular, unstable
from .theorem2 import theorem2

if TYPE_CHECKING:
    from .prediction import Prediction
    from .record import Promise
    from .run_verdict import RunVerdict

_ROUNDING = 1e-12  # relative to the first error, or to what is left: below it a part of an error is rounding


def verdict_text(verdict: RunVerdict) -> str:
    """Return a paragraph each on convergence, prediction, kernels, movement, local steps, and what else was asked."""
    paragraphs = [
        _convergence(verdict),
        _prediction(verdict),
        _kernels(verdict),
        _movement(verdict),
        _local_steps(verdict),
        *([] if verdict.certificate is None else [str(verdict.certificate)]),
        *(_own(verdict, paper) for paper, _ in verdict.own_promises.values()),
    ]
    return "\n\n".join(paragraphs)


def _promise_lines(promise: Promise) -> list[str]:
    """Return one line per hypothesis of a promise, or why it does not apply."""
    if not promise.applies:
        return [f"{promise.statement} ({promise.constants}) does not apply: {promise.reason}."]
    lines = [
        f"  {'met    ' if c.met else 'NOT met'} {c.name}: {c.value:.4g}, must be {c.relation} {c.limit:.4g}"
        for c in promise.conditions
    ]
    return lines + [f"  note: {note}" for note in promise.notes]


def _convergence(verdict: RunVerdict) -> str:
    paper, repaired = verdict.promises[verdict.theorem]
    if not paper.applies:
        return _promise_lines(paper)[0]
    unmet = sum(not c.met for c in paper.conditions)
    lines = [f"{paper.statement} is about this run; {unmet} of its {len(paper.conditions)} hypotheses are not met:"]
    lines += _promise_lines(paper)
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
        lines.append(f"This run {kept} the bound; {paper.earned}.")
    if repaired.applies and repaired.floor is not None:
        proof = "with a proof (docs/derivations/repairs.md)"
        lines.append(f"Repaired, {proof}, the floor is {repaired.floor:.4g}; {repaired.earned}.")
    return "\n".join(lines)


def _prediction(verdict: RunVerdict) -> str:
    gap = verdict.prediction_gap
    if verdict.prediction is None or gap is None:
        return "The lazy prediction is not about this scheme or network."
    predicted = verdict.prediction.full_error[len(verdict.measured) - 1]
    kinks = "while activation patterns stay as they were"
    if verdict.prediction.patterns == "moving":
        kinks = "with a sample of neurons followed across their kinks"
    return (
        f"The lazy prediction (no bound but the expectation over masks, {kinks}) ends at {predicted:.4g}, "
        f"measured {verdict.measured[-1]:.4g}; in the median round they differ by {100 * gap:.1f}%"
        f"{'; one run scatters about its expectation' if verdict.prediction.noise_part.any() else ''}. "
        f"{_in_the_long_run(verdict.prediction)}"
    )


def _in_the_long_run(prediction: Prediction) -> str:
    """Return where the error stands for a while, and where it ends, with patterns as they were."""
    plateau, floor = prediction.plateau, prediction.floor
    if np.isinf(plateau):
        return "At this step size, with patterns as they were, the error would grow without limit."
    noise = bool(prediction.noise_part.any())
    stands = f"With the noise of the initial neurons the error would stand at {plateau:.4g} for a while; "
    ever = f"{stands if noise else ''}after ever more rounds, with patterns as they were, "
    if np.isinf(floor):
        said = f"{ever}the prediction has no limit."
    elif floor <= _ROUNDING * prediction.full_error[0]:
        said = f"{ever}no error would be left."
    else:
        said = f"{ever}{floor:.4g} would be left{_what_is_left(prediction, noise=noise)}."
    return said if noise else f"Neither masks nor batches add noise: {said}"


def _what_is_left(prediction: Prediction, *, noise: bool) -> str:
    """Return what a floor is made of: what the kernel cannot reach stays whatever the width, noise falls with it."""
    model, floor = prediction.model, prediction.floor
    null = model.eigenvalues <= len(model.eigenvalues) * np.finfo(float).eps * model.eigenvalues[-1]
    stuck = float(model.initial_moment(prediction.round_map.selection_prob)[null].sum())
    if stuck <= _ROUNDING * prediction.full_error[0]:
        return ", of order 1/m" if noise else ""
    why = "no weights can fit with these patterns: rows of X repeat, or neurons are too few"
    if f"{stuck:.4g}" == f"{floor:.4g}":
        return f", which {why}"
    rest = "; the rest is of order 1/m" if noise and prediction.round_map.rows is None else ""
    return f", {stuck:.4g} of which {why}{rest}"


def _kernels(verdict: RunVerdict) -> str:
    """Return what Theorem 2 says, asked with the run's own movement, which the table of statements does not know."""
    values, half = verdict.eigenvalues.values, verdict.setting.smallest_eigenvalue / 2
    promise = theorem2(verdict.setting, movement=verdict.movement)
    if not promise.applies:
        return (
            f"Theorem 2 does not apply: {promise.reason}. The smallest eigenvalue of the {values.size} masked NTKs "
            f"looked at is {values.min():.4g}."
        )
    return (
        f"Theorem 2 says that every masked NTK has eigenvalues of at least lambda_0/2 = {half:.4g}; {promise.earned}. "
        f"Of {values.size} looked at, {100 * verdict.kernel_share:.1f}% have them; the smallest is {values.min():.4g}."
    )


def _movement(verdict: RunVerdict) -> str:
    moved = f"The neuron that moved most moved by {verdict.movement:.4g}"
    if singular(verdict.setting):
        return f"{moved}; the proofs allow no movement where lambda_0 > 0 is not shown."
    inside = "within" if verdict.movement <= verdict.radius else "far beyond"
    return f"{moved}, {inside} the R = {verdict.radius:.4g} that the proofs need."


def _local_steps(verdict: RunVerdict) -> str:
    share, limit = verdict.local_rates_kept, verdict.local_rate_limit
    if np.isnan(share) and verdict.recorded in ("rounds", "none"):
        return (
            f"Hypothesis 1 is about the errors inside rounds, which a run with record={verdict.recorded!r} does not "
            f"keep. To judge it, train with record='mean' or record='subnetworks'."
        )
    if np.isnan(share):
        return "No local step has errors above rounding, so Hypothesis 1 cannot be judged."
    of_what = "each subnetwork's error" if verdict.local_rates.shape[2] > 1 else "the recorded error"
    worst, promise = np.nanmax(verdict.local_rates), verdict.promises["hypothesis1"][0]
    if reason := promise.reason or unstable(verdict.setting):
        lower = np.mean(verdict.local_rates[np.isfinite(verdict.local_rates)] < 1)
        return (
            f"Hypothesis 1 does not apply: {reason}. {100 * lower:.1f}% of the local steps lowered {of_what}, the "
            f"worst factor is {worst:.6g}."
        )
    return (
        f"Hypothesis 1 says that {of_what} falls by the factor {limit:.6g} or better in every local step; "
        f"{promise.earned}. {100 * share:.1f}% of the steps did, the worst factor is {worst:.6g}."
    )


def _own(verdict: RunVerdict, promise: Promise) -> str:
    """Return what a statement that is not the paper's says of the run."""
    lines = _promise_lines(promise)
    if not promise.applies:
        return lines[0]
    unmet = sum(not c.met for c in promise.conditions)
    lines = [f"{promise.statement} applies; {unmet} of its {len(promise.conditions)} hypotheses are not met:", *lines]
    if promise.bound is not None:
        kept = "stayed below" if verdict.within(promise) else "EXCEEDED"
        last = promise.bound[len(verdict.measured) - 1]
        lines.append(f"This run {kept} its bound, which is {last:.4g} at the end; measured {verdict.measured[-1]:.4g}.")
    return "\n".join(lines)
