"""Algorithm 1 read aloud: the slow, obvious engine that defines the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.aggregation import aggregate
from ..core.losses import LOSSES
from ..core.record import RoundRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray
    from ..core.rows import LocalRows
    from .base import Dtype, Problem


class ReferenceState(NamedTuple):
    """The network; a changes only where output weights are learned."""

    W: FloatArray  # (m, d)
    a: FloatArray  # (m,) or (m, o)


class ReferenceEngine:
    """Plain NumPy in float64, for everything that a problem can ask for."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._problem = problem
        self._loss = LOSSES[problem.loss]
        n = len(problem.X)
        s = np.ones(n) if problem.sample_weight is None else problem.sample_weight
        self._sample_weight = s if problem.y.ndim == 1 else s[:, np.newaxis]

    def start(self, weights: FloatArray) -> ReferenceState:
        """Return private copies of the weights and signs."""
        return ReferenceState(np.array(weights, dtype=np.float64), np.array(self._problem.signs))

    def round(
        self,
        state: ReferenceState,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[ReferenceState, RoundRecord]:
        """Run lines 3 to 13 of Algorithm 1."""
        W, a = state
        errors = np.empty((local_steps + 1, len(masks)))
        updates, sign_updates = np.zeros((len(masks), *W.shape)), np.zeros((len(masks), *a.shape))
        for l, mask in enumerate(masks):
            W_l, a_l = W.copy(), a.copy()  # line 5
            errors[0, l] = self._subnetwork_error(W_l, a_l, mask)
            for t in range(local_steps):
                W_gradient, a_gradient = self._local_gradients(W_l, a_l, mask, l, t, rows)
                W_l = W_l - step_size * W_gradient  # line 7
                if self._problem.learn_signs:
                    a_l = a_l - step_size * a_gradient
                errors[t + 1, l] = self._subnetwork_error(W_l, a_l, mask)
            updates[l], sign_updates[l] = W_l - W, a_l - a  # line 9
        W = aggregate(W, updates, masks, unselected)  # lines 11 to 13
        if self._problem.learn_signs:
            columns = (len(a), -1)
            a = aggregate(a.reshape(columns), sign_updates.reshape(len(masks), *columns), masks, unselected).reshape(
                a.shape
            )
        state = ReferenceState(W, a)
        return state, RoundRecord(errors, self.full_error(state))

    def weights(self, state: ReferenceState) -> FloatArray:
        """Return a copy of W."""
        return state.W.copy()

    def signs(self, state: ReferenceState) -> FloatArray:
        """Return a copy of a."""
        return state.a.copy()

    def full_error(self, state: ReferenceState) -> float:
        """Return |y - u|^2, or twice another loss of u."""
        everyone = np.ones(len(state.W), dtype=bool)
        f = _subnetwork_output(state.W, everyone, state.a, self._problem.X)
        return self._error(self._problem.selection_prob * f)

    def snapshot(self, state: ReferenceState) -> dict[str, FloatArray]:
        """Return W and a."""
        return {"weights": state.W.copy(), "signs": state.a.copy()}

    def restore(self, arrays: Mapping[str, FloatArray]) -> ReferenceState:
        """Return the state that `snapshot` described."""
        return ReferenceState(np.array(arrays["weights"]), np.array(arrays["signs"]))

    def _local_gradients(
        self, W: FloatArray, a: FloatArray, mask: BoolArray, l: int, t: int, rows: LocalRows | None
    ) -> tuple[FloatArray, FloatArray]:
        """Return dL/dW and dL/da of subnetwork l's loss on the rows of step t."""
        problem = self._problem
        i = slice(None) if rows is None else rows.indices[l][t]
        scale = 1.0 if rows is None else rows.scales[l]
        X, y, s = problem.X[i], problem.y[i], self._sample_weight[i]
        f = _subnetwork_output(W, mask, a, X)
        residual = scale * s * self._loss.residual(f, y)  # (n,) or (n, o)
        backward = np.outer(residual, a) if y.ndim == 1 else residual @ a.T
        active = (X @ W.T >= 0) * mask  # (n, m): m^l_r 1{<w_r, x_i> >= 0}
        W_gradient = (active * backward).T @ X / np.sqrt(len(W))
        a_gradient = (np.maximum(X @ W.T, 0) * mask).T @ residual / np.sqrt(len(W))
        return W_gradient, a_gradient

    def _subnetwork_error(self, W: FloatArray, a: FloatArray, mask: BoolArray) -> float:
        return self._error(_subnetwork_output(W, mask, a, self._problem.X))

    def _error(self, output: FloatArray) -> float:
        return float(np.sum(self._sample_weight * self._loss.error(output, self._problem.y)))


def _subnetwork_output(W: FloatArray, mask: BoolArray, signs: FloatArray, X: FloatArray) -> FloatArray:
    """f(x_i) = (1 / sqrt m) sum_r a_r m_r relu(<w_r, x_i>); never refuses weights that overflowed."""
    return (np.maximum(X @ W.T, 0) * mask) @ signs / np.sqrt(len(W))
