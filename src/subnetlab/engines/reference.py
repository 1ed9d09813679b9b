"""Algorithm 1 read aloud: the slow, obvious engine that defines the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.aggregation import aggregate
from ..core.record import RoundRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray
    from ..core.rows import LocalRows
    from .base import Dtype, Problem


class ReferenceEngine:
    """Plain NumPy in float64. The state is W."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._problem = problem
        n = len(problem.X)
        s = np.ones(n) if problem.sample_weight is None else problem.sample_weight
        self._sample_weight = s if problem.y.ndim == 1 else s[:, np.newaxis]

    def start(self, weights: FloatArray) -> FloatArray:
        """Return a private copy of the weights."""
        return np.array(weights, dtype=np.float64)

    def round(
        self,
        state: FloatArray,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[FloatArray, RoundRecord]:
        """Run lines 3 to 13 of Algorithm 1."""
        W = state
        errors = np.empty((local_steps + 1, len(masks)))
        updates = np.zeros((len(masks), *W.shape))
        for l, mask in enumerate(masks):
            W_l = W.copy()  # line 5
            errors[0, l] = self._subnetwork_error(W_l, mask)
            for t in range(local_steps):
                W_l = W_l - step_size * self._local_gradient(W_l, mask, l, t, rows)  # line 7
                errors[t + 1, l] = self._subnetwork_error(W_l, mask)
            updates[l] = W_l - W  # line 9
        W = aggregate(W, updates, masks, unselected)  # lines 11 to 13
        return W, RoundRecord(errors, self.full_error(W))

    def weights(self, state: FloatArray) -> FloatArray:
        """Return a copy of W."""
        return state.copy()

    def full_error(self, state: FloatArray) -> float:
        """Return |y - u|^2."""
        problem = self._problem
        everyone = np.ones(len(state), dtype=bool)
        f = _subnetwork_output(state, everyone, problem.signs, problem.X)
        return self._error(problem.selection_prob * f)

    def snapshot(self, state: FloatArray) -> dict[str, FloatArray]:
        """Return W."""
        return {"weights": state.copy()}

    def restore(self, arrays: Mapping[str, FloatArray]) -> FloatArray:
        """Return W."""
        return np.array(arrays["weights"])

    def _local_gradient(self, W: FloatArray, mask: BoolArray, l: int, t: int, rows: LocalRows | None) -> FloatArray:
        problem = self._problem
        i = slice(None) if rows is None else rows.indices[l][t]
        scale = 1.0 if rows is None else rows.scales[l]
        X, y, s = problem.X[i], problem.y[i], self._sample_weight[i]
        f = _subnetwork_output(W, mask, problem.signs, X)
        residual = scale * s * (f - y)  # (n,) or (n, o)
        backward = np.outer(residual, problem.signs) if y.ndim == 1 else residual @ problem.signs.T
        active = (X @ W.T >= 0) * mask  # (n, m): m^l_r 1{<w_r, x_i> >= 0}
        return (active * backward).T @ X / np.sqrt(len(W))

    def _subnetwork_error(self, W: FloatArray, mask: BoolArray) -> float:
        return self._error(_subnetwork_output(W, mask, self._problem.signs, self._problem.X))

    def _error(self, output: FloatArray) -> float:
        return float(np.sum(self._sample_weight * (self._problem.y - output) ** 2))


def _subnetwork_output(W: FloatArray, mask: BoolArray, signs: FloatArray, X: FloatArray) -> FloatArray:
    """f(x_i) = (1 / sqrt m) sum_r a_r m_r relu(<w_r, x_i>); never refuses weights that overflowed."""
    return (np.maximum(X @ W.T, 0) * mask) @ signs / np.sqrt(len(W))
