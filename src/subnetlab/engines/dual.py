"""The dual engine: steps in the span of the data, with one m_l x n x n product in place of two m_l x n x d ones.

Every gradient is a combination of the rows of X, so W = W_0 + C X with coefficients C (m x n), and all that a
step needs of W is Z = W X'. With the Gram matrix G = X X' a local step (Algorithm 1, line 7) reads

    S = a_r 1{z_ri >= 0} residual_i,    C -= (eta / sqrt m) S,    Z -= (eta / sqrt m) S G.

Learned output weights move by their own gradient, (1 / sqrt m) relu(Z) residual. State: Z and C (m x n) and a beside
W_0 (m x d), which is kept by reference where its dtype fits. Scratch: four m x n
arrays and one m x n of bool. A round costs 2 (tau sum_l m_l + m) n^2 operations in matrix products, whatever d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import get_blas_funcs

from ..core.aggregation import aggregate, aggregation_step
from ..core.losses import LOSSES
from ..core.record import RoundRecord
from ..core.rows import row_weights

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
    a: FloatArray  # (m,) or (m, o)


@dataclass
class _Scratch:
    """Memory that every round uses again; the first m_l rows belong to the subnetwork at work."""

    total: FloatArray  # (m, n), sum_l of the subnetworks' coefficients
    C: FloatArray  # (m, n)
    Z: FloatArray  # (m, n)
    S: FloatArray  # (m, n)
    active: BoolArray  # (m, n)


class DualEngine:
    """NumPy and BLAS in float64 or float32, for everything that a problem can ask for."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._X = np.ascontiguousarray(problem.X, dtype=dtype)
        self._G = np.ascontiguousarray(problem.X @ problem.X.T, dtype=dtype)
        self._y = problem.y  # errors are summed in float64
        self._sample_weight = problem.sample_weight
        self._signs = problem.signs.astype(dtype)
        self._loss = LOSSES[problem.loss]
        self._learn_signs = problem.learn_signs
        self._xi = problem.selection_prob
        self._gemm: Any = get_blas_funcs("gemm", dtype=np.dtype(dtype))
        self._scratch: _Scratch | None = None

    def start(self, weights: FloatArray) -> DualState:
        """Compute Z; C is zero. Read-only weights of the right dtype are not copied."""
        W0 = np.asarray(weights, dtype=self._X.dtype)
        if W0.flags.writeable and np.may_share_memory(W0, weights):
            W0 = W0.copy()
        C = np.zeros((len(W0), len(self._X)), W0.dtype)
        return self._with_scratch(DualState(W0, C, W0 @ self._X.T, self._signs.copy()))

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
        rate = -step_size / np.sqrt(len(state.a))
        errors = np.empty((local_steps + 1, len(masks)))
        scratch.total[:] = 0
        sign_total = np.zeros_like(state.a)
        for l, mask in enumerate(masks):
            chosen = np.flatnonzero(mask)
            plain = rows is None and self._sample_weight is None
            seen = None if plain else row_weights(rows, l, local_steps, len(self._X), self._sample_weight)
            errors[:, l], a = self._local_steps(state, chosen, rate, local_steps, seen)
            scratch.total[chosen] += scratch.C[: len(chosen)]
            if self._learn_signs:
                sign_total[chosen] += a - state.a[chosen]
        self._aggregate(state, masks, rate, unselected)
        if self._learn_signs:
            state.a = aggregate(state.a, sign_total[np.newaxis], masks, unselected)
        return state, RoundRecord(errors, self.full_error(state))

    def weights(self, state: DualState) -> FloatArray:
        """Return W = W0 + C X."""
        W = np.dot(state.C, self._X)
        W += state.W0
        return W

    def signs(self, state: DualState) -> FloatArray:
        """Return a copy of a."""
        return state.a.copy()

    def full_error(self, state: DualState) -> float:
        """Return |y - u|^2, or twice another loss of u."""
        return self._error(self._xi * self._output(state.Z, state.a))

    def snapshot(self, state: DualState) -> dict[str, FloatArray]:
        """Return W0, C, Z and a: Z has rounding errors of its own, so it cannot be computed again."""
        return {"W0": state.W0, "C": state.C.copy(), "Z": state.Z.copy(), "a": state.a.copy()}

    def restore(self, arrays: Mapping[str, FloatArray]) -> DualState:
        """Return the state that `snapshot` described."""
        return self._with_scratch(DualState(arrays["W0"], *(arrays[name].copy() for name in "CZa")))

    def _local_steps(
        self, state: DualState, chosen: IntArray, rate: float, local_steps: int, seen: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Leave the sum of S over tau steps in scratch.C.

        Returns
        -------
        errors : ndarray, shape (tau + 1,)
            Before the first step and after each.
        a : ndarray, shape (m_l,) or (m_l, o)
            The subnetwork's output weights after the last.
        """
        scratch = self._memory()
        count = len(chosen)
        C, Z, S, active = scratch.C[:count], scratch.Z[:count], scratch.S[:count], scratch.active[:count]
        a = state.a[chosen]
        np.take(state.Z, chosen, axis=0, out=Z)
        C[:] = 0
        errors = np.empty(local_steps + 1)
        for t in range(local_steps):
            f = self._output(Z, a)
            errors[t] = self._error(f)
            residual = self._loss.residual(f, self._y)
            if seen is not None:
                residual *= seen[t].reshape(-1, *[1] * (residual.ndim - 1))
            residual = residual.astype(S.dtype)
            sign_gradient = S @ residual if self._learn_signs else None  # S holds relu(Z)
            np.greater_equal(Z, 0, out=active)
            self._slopes(a, residual, active, S)
            C += S
            self._add_product(rate, S, Z)
            if sign_gradient is not None:
                a += S.dtype.type(rate) * sign_gradient
        errors[local_steps] = self._error(self._output(Z, a))
        return errors, a

    def _slopes(self, a: FloatArray, residual: FloatArray, active: BoolArray, S: FloatArray) -> None:
        """S_ri = 1{z_ri >= 0} sum_o a_ro residual_io."""
        if a.ndim == 1:
            np.multiply(active, residual, out=S)
            S *= a[:, np.newaxis]
        else:
            np.dot(a, residual.T, out=S)
            S *= active

    def _output(self, Z: FloatArray, a: FloatArray) -> FloatArray:
        """Return (1 / sqrt m) sum_r a_r relu(z_r) in float64, shape (n,) or (n, o); scratch.S holds relu(Z) after."""
        relu = np.maximum(Z, 0, out=self._memory().S[: len(Z)])
        return (relu.T @ a).astype(np.float64) / np.sqrt(len(self._signs))

    def _error(self, output: FloatArray) -> float:
        return self._loss.total_error(output, self._y, self._sample_weight)

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
