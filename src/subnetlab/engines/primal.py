"""The direct engine: gather the selected neurons, then two matrix products per local step.

State: W (m x d) and Z = W X' (m x n). Scratch: two m x d and two m x n arrays and one m x n of bool, made once;
the local steps allocate nothing of that size. A round costs 2 (2 tau sum_l m_l + m) n d operations in matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import get_blas_funcs

from ..core.aggregation import aggregation_step
from ..core.losses import LOSSES
from ..core.record import RoundRecord
from ..core.rows import row_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray
    from ..core.losses import LossName
    from ..core.rows import LocalRows
    from .base import Dtype, Problem


class PhaseScratch(NamedTuple):
    """Memory of a local phase; the first m_l rows belong to the subnetwork at work."""

    Z: FloatArray  # (m, n)
    S: FloatArray  # (m, n)
    active: BoolArray  # (m, n)


class LocalPhase:
    """Outputs and local steps of gathered neurons, for this engine and for the workers of the distributed one.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        In the dtype of the weights.
    y : ndarray of float64, shape (n,)
    width : int
        m of the whole network.
    loss : {"squared", "logistic"}, default "squared"
    """

    def __init__(self, X: FloatArray, y: FloatArray, width: int, loss: LossName = "squared") -> None:
        self._X = X
        self._y = y
        self._width = width
        self._loss = LOSSES[loss]
        self._gemm: Any = get_blas_funcs("gemm", dtype=X.dtype)
        self.scratch = self._memory(0)

    def room(self, count: int) -> FloatArray:
        """Return memory for the pre-activations of so many neurons, shape (count, n); the next call reuses it."""
        if count > len(self.scratch.Z):
            del self.scratch  # before its successor is there
            # categorical subnetworks differ a little from round to round
            self.scratch = self._memory(min(count + count // 64, self._width))
        return self.scratch.Z[:count]

    def pre_activations(self, W: FloatArray) -> FloatArray:
        """Return Z = W X' in the memory that `room` gives."""
        return np.dot(W, self._X.T, out=self.room(len(W)))

    def output(self, Z: FloatArray, a: FloatArray) -> FloatArray:
        """Return (1 / sqrt m) sum_r a_r relu(z_r) over the neurons given, float64, shape (n,)."""
        self.room(len(Z))
        relu = np.maximum(Z, 0, out=self.scratch.S[: len(Z)])
        return (a @ relu).astype(np.float64) / np.sqrt(self._width)

    def error(self, Z: FloatArray, a: FloatArray) -> float:
        """Return |y - f|^2, or twice another loss of the output f."""
        return self._loss.total_error(self.output(Z, a), self._y)

    def steps(
        self,
        W: FloatArray,
        Z: FloatArray,
        a: FloatArray,
        step_size: float,
        local_steps: int,
        row_weights: FloatArray | None,
        too_late: Callable[[], bool] = lambda: False,
    ) -> tuple[FloatArray, bool]:
        """Move W and Z = W X' by tau local steps in place (Algorithm 1, lines 5 to 8).

        Parameters
        ----------
        W : ndarray, shape (m_l, d)
        Z : ndarray, shape (m_l, n)
        a : ndarray, shape (m_l,)
        step_size : float
        local_steps : int
        row_weights : ndarray, shape (tau, n), optional
            The factor of each row's residual in each step.
        too_late : callable
            Asked before each step; if it returns true, the subnetwork is given up.

        Returns
        -------
        errors : ndarray of float64, shape (tau + 1,)
            Before the first step and after each.
        in_time : bool
            False if the subnetwork was given up; its W must not be used then.
        """
        count = len(W)
        self.room(count)
        S, active = self.scratch.S[:count], self.scratch.active[:count]
        rate = -step_size / np.sqrt(self._width)
        errors = np.empty(local_steps + 1)
        for t in range(local_steps):
            f = self.output(Z, a)
            errors[t] = self._loss.total_error(f, self._y)
            if too_late():
                errors[1:] = errors[0]  # the subnetwork stays where it was
                return errors, False
            residual = self._loss.residual(f, self._y)
            if row_weights is not None:
                residual *= row_weights[t]
            np.greater_equal(Z, 0, out=active)
            np.multiply(active, residual.astype(S.dtype), out=S)
            S *= a[:, np.newaxis]
            if count:  # BLAS sees the transposes, which are in its column order: W += rate S X in place
                self._gemm(rate, self._X.T, S.T, beta=1.0, c=W.T, overwrite_c=True)
            np.dot(W, self._X.T, out=Z)
        errors[local_steps] = self.error(Z, a)
        return errors, True

    def _memory(self, count: int) -> PhaseScratch:
        shape, dtype = (count, len(self._X)), self._X.dtype
        return PhaseScratch(np.empty(shape, dtype), np.empty(shape, dtype), np.empty(shape, bool))


@dataclass
class PrimalState:
    """The network and its pre-activations on the data, kept in step."""

    W: FloatArray  # (m, d)
    Z: FloatArray  # (m, n), W X'


@dataclass
class _Scratch:
    """Memory that every round uses again."""

    W: FloatArray  # (m, d), its first m_l rows are the subnetwork at work
    total: FloatArray  # (m, d), sum_l Delta^l


class PrimalEngine:
    """NumPy and BLAS in float64 or float32, for any data and loss, shards and minibatches."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._X = np.ascontiguousarray(problem.X, dtype=dtype)
        self._y = problem.y  # errors are summed in float64
        self._a = problem.signs.astype(dtype)
        self._loss = LOSSES[problem.loss]
        self._xi = problem.selection_prob
        self._phase = LocalPhase(self._X, self._y, len(self._a), problem.loss)
        self._scratch: _Scratch | None = None

    def start(self, weights: FloatArray) -> PrimalState:
        """Copy the weights and compute Z."""
        W = np.array(weights, dtype=self._X.dtype, order="C")
        self._scratch = _Scratch(np.empty_like(W), np.empty_like(W))
        self._phase.room(len(W))
        return PrimalState(W, W @ self._X.T)

    def round(
        self,
        state: PrimalState,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[PrimalState, RoundRecord]:
        """Run one round; the state is updated in place."""
        scratch = self._memory()
        errors = np.empty((local_steps + 1, len(masks)))
        scratch.total[:] = 0
        for l, mask in enumerate(masks):
            chosen = np.flatnonzero(mask)
            seen = None if rows is None else row_weights(rows, l, local_steps, len(self._X))
            W_l = scratch.W[: len(chosen)]
            np.take(state.W, chosen, axis=0, out=W_l, mode="clip")  # "raise" would buffer the output
            Z_l = np.take(state.Z, chosen, axis=0, out=self._phase.room(len(chosen)), mode="clip")
            errors[:, l], _ = self._phase.steps(W_l, Z_l, self._a[chosen], step_size, local_steps, seen)
            W_l -= state.W[chosen]
            scratch.total[chosen] += W_l
        self._aggregate(state, masks, unselected)
        np.dot(state.W, self._X.T, out=state.Z)
        return state, RoundRecord(errors, self.full_error(state))

    def weights(self, state: PrimalState) -> FloatArray:
        """Return a copy of W."""
        return state.W.copy()

    def full_error(self, state: PrimalState) -> float:
        """Return |y - u|^2, or twice another loss of u."""
        f = self._phase.output(state.Z, self._a)
        return float(np.sum(self._loss.error(self._xi * f, self._y)))  # `total_error` rounds otherwise

    def snapshot(self, state: PrimalState) -> dict[str, FloatArray]:
        """Return W; Z follows from it by the same product."""
        return {"weights": state.W.copy()}

    def restore(self, arrays: Mapping[str, FloatArray]) -> PrimalState:
        """Return W and its Z, computed as at the end of a round."""
        return self.start(arrays["weights"])

    def _aggregate(self, state: PrimalState, masks: BoolArray, unselected: Unselected) -> None:
        """w_r += eta_r sum_l Delta^l_r for the neurons that somebody holds; the others keep their bits."""
        total = self._memory().total
        eta = aggregation_step(masks).astype(total.dtype)[:, np.newaxis]
        total *= eta
        np.add(state.W, total, out=state.W, where=eta > 0)
        if unselected == "zero":
            state.W[eta[:, 0] == 0] = 0

    def _memory(self) -> _Scratch:
        if self._scratch is None:
            raise RuntimeError("PrimalEngine: start or restore must come before any other call")
        return self._scratch
