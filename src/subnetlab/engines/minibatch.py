"""The minibatch engine: gather the selected neurons and the rows of the batch, and touch nothing else.

A local step costs 6 b m_l d operations in matrix products for b rows, whatever n. The errors that a problem asks
for come on top: the full error after a round costs 2 n m d, each error inside a round 2 n m_l d.
State: W (m x d) and a. Scratch: four arrays of b x m_l.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.aggregation import aggregate
from ..core.losses import LOSSES
from ..core.network import activations
from ..core.record import RoundRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from ..core.rows import LocalRows
    from .base import Dtype, Problem

_ROWS_AT_ONCE = 512  # of a pass over all data


@dataclass
class MinibatchState:
    """The network."""

    W: FloatArray  # (m, d)
    a: FloatArray  # (m, o)


class MinibatchEngine:
    """NumPy and BLAS in float64 or float32, for everything that a problem can ask for."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._X = np.ascontiguousarray(problem.X, dtype=dtype)
        self._Y = problem.y.reshape(len(problem.y), -1)  # (n, o), in float64
        self._sample_weight = problem.sample_weight
        self._signs = problem.signs
        self._xi = problem.selection_prob
        self._loss = LOSSES[problem.loss]
        self._learn_signs = problem.learn_signs
        self._step_errors, self._full_errors = problem.step_errors, problem.full_errors

    def start(self, weights: FloatArray) -> MinibatchState:
        """Copy the network."""
        return self._state(weights, self._signs)

    def round(
        self,
        state: MinibatchState,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[MinibatchState, RoundRecord]:
        """Run one round."""
        errors = np.full((local_steps + 1, len(masks)), np.nan)
        W_total, a_total = np.zeros_like(state.W), np.zeros_like(state.a)
        for l, mask in enumerate(masks):
            chosen = np.flatnonzero(mask)
            W, a = state.W[chosen], state.a[chosen]
            for t in range(local_steps):
                if self._step_errors:
                    errors[t, l] = self._error(W, a, 1.0)
                seen, scale = (None, 1.0) if rows is None else (rows.indices[l][t], rows.scales[l])
                self._step(W, a, step_size, seen, scale)
            if self._step_errors:
                errors[local_steps, l] = self._error(W, a, 1.0)
            W_total[chosen] += W - state.W[chosen]
            a_total[chosen] += a - state.a[chosen]
        state.W = aggregate(state.W, W_total[np.newaxis], masks, unselected)
        if self._learn_signs:
            state.a = aggregate(state.a, a_total[np.newaxis], masks, unselected)
        full_error = self.full_error(state) if self._full_errors else np.nan
        return state, RoundRecord(errors, full_error)

    def weights(self, state: MinibatchState) -> FloatArray:
        """Return a copy of W."""
        return state.W.copy()

    def signs(self, state: MinibatchState) -> FloatArray:
        """Return a copy of a."""
        return state.a.reshape(self._signs.shape).copy()

    def full_error(self, state: MinibatchState) -> float:
        """Return |y - u|^2, or twice another loss of u."""
        return self._error(state.W, state.a, self._xi)

    def snapshot(self, state: MinibatchState) -> dict[str, FloatArray]:
        """Return W and a."""
        return {"weights": state.W.copy(), "signs": state.a.copy()}

    def restore(self, arrays: Mapping[str, FloatArray]) -> MinibatchState:
        """Return the state that `snapshot` described."""
        return self._state(arrays["weights"], arrays["signs"])

    def _state(self, weights: FloatArray, signs: FloatArray) -> MinibatchState:
        dtype = self._X.dtype
        return MinibatchState(np.array(weights, dtype, order="C"), np.array(signs, dtype).reshape(len(signs), -1))

    def _step(self, W: FloatArray, a: FloatArray, step_size: float, seen: IntArray | None, scale: float) -> None:
        """One gradient step on the rows ``seen`` (Algorithm 1, line 7); W and a are updated in place."""
        everything = seen is None or len(seen) == len(self._X)
        i = slice(None) if everything else seen
        X = self._X[i]
        root_m = np.sqrt(len(self._signs))
        Z = X @ W.T  # (b, m_l)
        relu = np.maximum(Z, 0)
        residual = scale * self._loss.residual((relu @ a).astype(np.float64) / root_m, self._Y[i])
        if self._sample_weight is not None:
            residual *= self._sample_weight[i, np.newaxis]
        residual = (-step_size / root_m * residual).astype(X.dtype)
        slopes = residual * a.T if a.shape[1] == 1 else residual @ a.T  # BLAS is slow at outer products
        slopes *= Z >= 0
        W += slopes.T @ X
        if self._learn_signs:
            a += relu.T @ residual

    def _error(self, W: FloatArray, a: FloatArray, factor: float) -> float:
        """Return the error of ``factor`` times the network's output on all rows."""
        f = np.empty(self._Y.shape)
        for start in range(0, len(f), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            f[part] = activations(self._X[part], W) @ a
        f *= factor / np.sqrt(len(self._signs))
        return self._loss.total_error(f, self._Y, self._sample_weight)
