"""The dual engine: every step in the span of the data, one m_l x n x n product in place of two m_l x n x d ones.

Every gradient is a combination of the rows of X, so W = W_0 + C X with coefficients C (m x n), and all that a
step needs of W is Z = W X'. With the Gram matrix G = X X' a local step (Algorithm 1, line 7) reads

    S = a_r 1{z_ri >= 0} residual_i,    C -= (eta / sqrt m) S,    Z -= (eta / sqrt m) S G.

State: Z and C (m x n) beside W_0 (m x d), which is kept by reference where its dtype fits. Scratch: four m x n
arrays and one m x n of bool. A round costs 2 (tau sum_l m_l + m) n^2 operations in matrix products, whatever d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import get_blas_funcs

from ..core.aggregation import aggregation_step
from ..core.record import RoundRecord
from .row_weights import row_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from ..core.rows import LocalRows
    from .base import Dtype, Problem


@dataclass
class DualState:
    """The network as W = W0 + C X, and its pre-activations on the data."""

    W0: FloatArray  # (m, d), never written to unless a neuron is erased
    C: FloatArray  # (m, n)
    Z: FloatArray  # (m, n), W X'


@dataclass
class _Scratch:
    """Memory that every round uses again; the first m_l rows belong to the subnetwork at work."""

    total: FloatArray  # (m, n), sum_l of the subnetworks' coefficients
    C: FloatArray  # (m, n)
    Z: FloatArray  # (m, n)
    S: FloatArray  # (m, n)
    active: BoolArray  # (m, n)


class DualEngine:
    """NumPy and BLAS in float64 or float32, for any data, several outputs, shards, minibatches, sample weights."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._X = np.ascontiguousarray(problem.X, dtype=dtype)
        self._G = np.ascontiguousarray(problem.X @ problem.X.T, dtype=dtype)
        self._y = problem.y  # errors are summed in float64
        self._sample_weight = problem.sample_weight
        self._a = problem.signs.astype(dtype)
        self._xi = problem.selection_prob
        self._gemm: Any = get_blas_funcs("gemm", dtype=np.dtype(dtype))
        self._scratch: _Scratch | None = None

    def start(self, weights: FloatArray) -> DualState:
        """Compute Z; C is zero. Read-only weights of the right dtype are not copied."""
        W0 = np.asarray(weights, dtype=self._X.dtype)
        if W0.flags.writeable and np.may_share_memory(W0, weights):
            W0 = W0.copy()
        return self._with_scratch(DualState(W0, np.zeros((len(W0), len(self._X)), W0.dtype), W0 @ self._X.T))

    def round(
        self,
        state: DualState,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[DualState, RoundRecord]:
        """Run one round; the state is updated in place."""
        scratch = self._memory()
        rate = -step_size / np.sqrt(len(self._a))
        errors = np.empty((local_steps + 1, len(masks)))
        scratch.total[:] = 0
        for l, mask in enumerate(masks):
            chosen = np.flatnonzero(mask)
            plain = rows is None and self._sample_weight is None
            seen = None if plain else row_weights(rows, l, local_steps, len(self._X), self._sample_weight)
            errors[:, l] = self._local_steps(state, chosen, rate, local_steps, seen)
            scratch.total[chosen] += scratch.C[: len(chosen)]
        self._aggregate(state, masks, rate, unselected)
        return state, RoundRecord(errors, self.full_error(state))

    def weights(self, state: DualState) -> FloatArray:
        """Return W = W0 + C X."""
        W = np.dot(state.C, self._X)
        W += state.W0
        return W

    def full_error(self, state: DualState) -> float:
        """Return |y - u|^2."""
        return self._error(self._xi * self._output(state.Z, self._a) - self._y)

    def snapshot(self, state: DualState) -> dict[str, FloatArray]:
        """Return W0, C and Z: Z has rounding errors of its own, so it cannot be computed again."""
        return {"W0": state.W0, "C": state.C.copy(), "Z": state.Z.copy()}

    def restore(self, arrays: Mapping[str, FloatArray]) -> DualState:
        """Return the state that `snapshot` described."""
        return self._with_scratch(DualState(arrays["W0"], arrays["C"].copy(), arrays["Z"].copy()))

    def _local_steps(
        self, state: DualState, chosen: IntArray, rate: float, local_steps: int, seen: FloatArray | None
    ) -> FloatArray:
        """Leave the sum of S over tau steps in scratch.C; return the errors before the first and after each."""
        scratch = self._memory()
        count = len(chosen)
        C, Z, S, active = scratch.C[:count], scratch.Z[:count], scratch.S[:count], scratch.active[:count]
        a = self._a[chosen]
        np.take(state.Z, chosen, axis=0, out=Z)
        C[:] = 0
        errors = np.empty(local_steps + 1)
        for t in range(local_steps):
            residual = self._output(Z, a) - self._y
            errors[t] = self._error(residual)
            if seen is not None:
                residual *= seen[t].reshape(-1, *[1] * (residual.ndim - 1))
            np.greater_equal(Z, 0, out=active)
            self._slopes(a, residual.astype(S.dtype), active, S)
            C += S
            self._add_product(rate, S, Z)
        errors[local_steps] = self._error(self._output(Z, a) - self._y)
        return errors

    def _slopes(self, a: FloatArray, residual: FloatArray, active: BoolArray, S: FloatArray) -> None:
        """S_ri = 1{z_ri >= 0} sum_o a_ro residual_io."""
        if a.ndim == 1:
            np.multiply(active, residual, out=S)
            S *= a[:, np.newaxis]
        else:
            np.dot(a, residual.T, out=S)
            S *= active

    def _output(self, Z: FloatArray, a: FloatArray) -> FloatArray:
        """Return (1 / sqrt m) sum_r a_r relu(z_r) in float64, shape (n,) or (n, o); scratch.S is overwritten."""
        relu = np.maximum(Z, 0, out=self._memory().S[: len(Z)])
        return (relu.T @ a).astype(np.float64) / np.sqrt(len(self._a))

    def _error(self, residual: FloatArray) -> float:
        if self._sample_weight is None:
            return float(np.vdot(residual, residual))
        return float(np.tensordot(self._sample_weight, residual**2, 1).sum())

    def _add_product(self, rate: float, S: FloatArray, Z: FloatArray) -> None:
        """Z += rate S G in place; BLAS sees the transposes, which are in its column order."""
        if len(Z):
            self._gemm(rate, self._G.T, S.T, beta=1.0, c=Z.T, overwrite_c=True)

    def _aggregate(self, state: DualState, masks: BoolArray, rate: float, unselected: Unselected) -> None:
        """w_r += eta_r sum_l Delta^l_r; a coefficient of zero leaves the bits of a neuron as they are."""
        total = self._memory().total
        eta = aggregation_step(masks).astype(total.dtype)[:, np.newaxis]
        total *= eta
        self._add_product(rate, total, state.Z)
        total *= total.dtype.type(rate)
        state.C += total
        if unselected == "zero":
            erased = eta[:, 0] == 0
            state.W0 = np.where(erased[:, np.newaxis], 0, state.W0)
            state.C[erased] = 0
            state.Z[erased] = 0

    def _with_scratch(self, state: DualState) -> DualState:
        shape, dtype = state.Z.shape, state.Z.dtype
        total, C, Z, S = (np.empty(shape, dtype) for _ in range(4))
        self._scratch = _Scratch(total, C, Z, S, np.empty(shape, bool))
        return state

    def _memory(self) -> _Scratch:
        if self._scratch is None:
            raise RuntimeError("DualEngine: start or restore must come before any other call")
        return self._scratch
