"""The direct engine: gather the selected neurons, then two matrix products per local step.

State: W (m x d) and Z = W X' (m x n). Scratch: two m x d and two m x n arrays and one m x n of bool, made once;
the local steps allocate nothing of that size. A round costs 2 (2 tau sum_l m_l + m) n d operations in matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import get_blas_funcs

from ..core.aggregation import aggregation_step
from ..core.losses import LOSSES
from ..core.record import RoundRecord
from .row_weights import row_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from ..core.rows import LocalRows
    from .base import Dtype, Problem


@dataclass
class PrimalState:
    """The network and its pre-activations on the data, kept in step."""

    W: FloatArray  # (m, d)
    Z: FloatArray  # (m, n), W X'


@dataclass
class _Scratch:
    """Memory that every round uses again; the first m_l rows belong to the subnetwork at work."""

    W: FloatArray  # (m, d)
    total: FloatArray  # (m, d), sum_l Delta^l
    Z: FloatArray  # (m, n)
    S: FloatArray  # (m, n)
    active: BoolArray  # (m, n)


class PrimalEngine:
    """NumPy and BLAS in float64 or float32, for any data and loss, shards and minibatches."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._X = np.ascontiguousarray(problem.X, dtype=dtype)
        self._y = problem.y  # errors are summed in float64
        self._a = problem.signs.astype(dtype)
        self._loss = LOSSES[problem.loss]
        self._xi = problem.selection_prob
        self._gemm: Any = get_blas_funcs("gemm", dtype=np.dtype(dtype))
        self._scratch: _Scratch | None = None

    def start(self, weights: FloatArray) -> PrimalState:
        """Copy the weights and compute Z."""
        W = np.array(weights, dtype=self._X.dtype, order="C")
        m, d = W.shape
        n = len(self._X)
        dtype = self._X.dtype
        self._scratch = _Scratch(
            W=np.empty((m, d), dtype),
            total=np.empty((m, d), dtype),
            Z=np.empty((m, n), dtype),
            S=np.empty((m, n), dtype),
            active=np.empty((m, n), bool),
        )
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
            errors[:, l] = self._local_steps(state, chosen, step_size, local_steps, seen)
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
        f = self._output(state.Z, self._a, self._memory().S)
        return float(np.sum(self._loss.error(self._xi * f, self._y)))

    def snapshot(self, state: PrimalState) -> dict[str, FloatArray]:
        """Return W; Z follows from it by the same product."""
        return {"weights": state.W.copy()}

    def restore(self, arrays: Mapping[str, FloatArray]) -> PrimalState:
        """Return W and its Z, computed as at the end of a round."""
        return self.start(arrays["weights"])

    def _local_steps(
        self,
        state: PrimalState,
        chosen: IntArray,
        step_size: float,
        local_steps: int,
        seen: FloatArray | None,
    ) -> FloatArray:
        """Advance scratch.W by tau steps; return the errors before the first and after each, (tau + 1,)."""
        scratch = self._memory()
        count = len(chosen)
        W, Z, S, active = scratch.W[:count], scratch.Z[:count], scratch.S[:count], scratch.active[:count]
        a = self._a[chosen]
        rate = -step_size / np.sqrt(len(self._a))
        np.take(state.Z, chosen, axis=0, out=Z, mode="clip")
        errors = np.empty(local_steps + 1)
        for t in range(local_steps):
            f = self._output(Z, a, S)
            errors[t] = self._loss.total_error(f, self._y)
            residual = self._loss.residual(f, self._y)
            if seen is not None:
                residual *= seen[t]
            np.greater_equal(Z, 0, out=active)
            np.multiply(active, residual.astype(S.dtype), out=S)
            S *= a[:, np.newaxis]
            self._add_product(rate, S, W)
            np.dot(W, self._X.T, out=Z)
        errors[local_steps] = self._loss.total_error(self._output(Z, a, S), self._y)
        return errors

    def _output(self, Z: FloatArray, a: FloatArray, S: FloatArray) -> FloatArray:
        """Return (1 / sqrt m) sum_r a_r relu(z_r) in float64, shape (n,); S is overwritten."""
        np.maximum(Z, 0, out=S[: len(Z)])
        return (a @ S[: len(Z)]).astype(np.float64) / np.sqrt(len(self._a))

    def _add_product(self, rate: float, S: FloatArray, W: FloatArray) -> None:
        """W += rate S X in place; BLAS sees the transposes, which are in its column order."""
        if len(W):
            self._gemm(rate, self._X.T, S.T, beta=1.0, c=W.T, overwrite_c=True)

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
