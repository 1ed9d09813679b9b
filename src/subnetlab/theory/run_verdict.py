"""What a run held against the theory shows, in numbers; `verdict` computes it and `verdict_text` says it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .constants import movement_radius
from .table import OF_THE_PAPER
from .verdict_text import verdict_text

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
        return verdict_text(self)
