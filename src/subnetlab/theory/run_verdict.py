"""What a run held against the theory shows, in numbers and in words; `verdict` computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .constants import movement_radius
from .table import OF_THE_PAPER

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray
    from .certificate import Certificate
    from .prediction import Prediction
    from .record import Promise
    from .setting import TheorySetting


@dataclass(frozen=True, eq=False)
class MaskedEigenvalues:
    """The smallest eigenvalue of masked NTKs, weights of one round with masks of others (Theorem 2's k and k').

    Parameters
    ----------
    weight_rounds : ndarray of int, shape (a,)
        After how many rounds the weights were taken.
    mask_rounds : ndarray of int, shape (b,)
        Of which rounds the masks are.
    values : ndarray, shape (a, b, p)
    """

    weight_rounds: IntArray
    mask_rounds: IntArray
    values: FloatArray


@dataclass(frozen=True, eq=False)
class RunVerdict:
    """What `subnetlab.theory.verdict.verdict` found; ``print`` it for a text for readers of the paper's abstract.

    Parameters
    ----------
    setting : TheorySetting
    promises : dict
        Per statement the record with the paper's constants and with the repaired ones.
    theorem : str
        The key of the convergence theorem for these masks, "theorem3" or "theorem4".
    measured : ndarray, shape (K + 1,)
        |y - u_k|^2 of this run, NaN for rounds that recorded nothing; the first and the last are always known. The
        bounds and the prediction are of its expectation over masks.
    prediction : Prediction, optional
        With moving patterns for up to 300 rows; None where the prediction is not about the scheme.
    eigenvalues : MaskedEigenvalues
    movement : float
        max over r of |w_r - w_{0,r}| at the end, or over all rounds if the run recorded it.
    local_rates : ndarray, shape (K, tau, p) or (K, tau, 1)
        |y - f_{t+1}|^2 / |y - f_t|^2 of each subnetwork, or of their mean if the run kept only that; NaN where the
        errors are rounding or were not recorded.
    recorded : str
        What the run was asked to record.
    certificate : Certificate, optional
        The bound that the run has earned, if it was asked for.
    """

    setting: TheorySetting
    promises: dict[str, tuple[Promise, Promise]]
    theorem: str
    measured: FloatArray
    prediction: Prediction | None
    eigenvalues: MaskedEigenvalues
    movement: float
    local_rates: FloatArray
    recorded: str
    certificate: Certificate | None = None

    def __repr__(self) -> str:
        met = sum(paper.met for paper, _ in self.promises.values())
        return (
            f"RunVerdict({met} of {len(self.promises)} statements have all hypotheses met)\n"
            f"  theorem     {self.promises[self.theorem][0]!r}\n"
            f"  prediction  {self.prediction!r}"
        )

    @property
    def radius(self) -> float:
        """R = kappa lambda_0 / (192 n), within which the proofs need the weights."""
        return movement_radius(self.setting)

    @property
    def local_rate_limit(self) -> float:
        """1 - eta lambda_0 / 2, Hypothesis 1's (4)."""
        return 1 - self.setting.step_size * self.setting.smallest_eigenvalue / 2

    @property
    def own_promises(self) -> dict[str, tuple[Promise, Promise]]:
        """The statements that are not the paper's."""
        return {name: pair for name, pair in self.promises.items() if name not in OF_THE_PAPER}

    @property
    def kernel_share(self) -> float:
        """The share of the masked NTKs looked at that have lambda_min >= lambda_0 / 2, the conclusion of Theorem 2."""
        return float(np.mean(self.eigenvalues.values >= self.setting.smallest_eigenvalue / 2))

    @property
    def kernels_kept(self) -> bool:
        """Whether all of them have."""
        return self.kernel_share == 1

    @property
    def prediction_gap(self) -> float | None:
        """The relative distance of the measured error from the predicted one in the median round; None without one."""
        if self.prediction is None:
            return None
        known = ~np.isnan(self.measured)
        predicted = np.maximum(self.prediction.full_error[: len(known)][known], 1e-300)
        with np.errstate(over="ignore"):
            return float(np.median(np.abs(self.measured[known] / predicted - 1)))

    @property
    def local_rates_kept(self) -> float:
        """The share of local steps whose rate is within Hypothesis 1's (4); NaN if there is none to judge."""
        rates = self.local_rates[np.isfinite(self.local_rates)]
        return float(np.mean(rates <= self.local_rate_limit)) if rates.size else float("nan")

    @property
    def bound_kept(self) -> bool | None:
        """Whether the run stayed below the bound in every round with a known error; None where no theorem applies."""
        return self.within(self.promises[self.theorem][0])

    def within(self, promise: Promise) -> bool | None:
        """Return whether the run stayed below the promise's bound where its error is known; None without a bound."""
        bound = promise.bound
        if bound is None:
            return None
        known = ~np.isnan(self.measured)
        return bool(np.all(self.measured[known] <= bound[: len(known)][known] * (1 + 1e-9)))

    def __str__(self) -> str:
        paragraphs = [
            _convergence(self),
            _prediction(self),
            _kernels(self),
            _movement(self),
            _local_steps(self),
            *([] if self.certificate is None else [str(self.certificate)]),
            *(_own(self, paper) for paper, _ in self.own_promises.values()),
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
        f"measured {verdict.measured[-1]:.4g}; in the median round they differ by {100 * gap:.1f}%; one "
        f"run scatters about its expectation. The noise of the initial neurons alone would hold it at "
        f"{verdict.prediction.plateau:.4g} for a while; after ever more rounds, with patterns as they were, "
        f"{verdict.prediction.floor:.4g} would be left, of order 1/m."
    )


def _kernels(verdict: RunVerdict) -> str:
    values, half = verdict.eigenvalues.values, verdict.setting.smallest_eigenvalue / 2
    return (
        f"Theorem 2 promises every masked NTK an eigenvalue of at least lambda_0/2 = {half:.4g}. Of {values.size} "
        f"looked at, {100 * verdict.kernel_share:.1f}% have it; the smallest is {values.min():.4g}."
    )


def _movement(verdict: RunVerdict) -> str:
    inside = "within" if verdict.movement <= verdict.radius else "far beyond"
    return (
        f"The neuron that moved most moved by {verdict.movement:.4g}, {inside} the R = {verdict.radius:.4g} that the "
        f"proofs need."
    )


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
    return (
        f"Hypothesis 1 promises that {of_what} falls by the factor {limit:.6g} or better in every local step; "
        f"{100 * share:.1f}% of the steps did, the worst factor is {np.nanmax(verdict.local_rates):.6g}."
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
