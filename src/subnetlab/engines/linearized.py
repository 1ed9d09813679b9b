"""The lazy-training model of the theory: activation patterns frozen where training started.

With P_rj = 1{<w_{0,r}, x_j> >= 0} fixed, the output (1 / sqrt m) sum_r a_r m^l_r P_rj <w_r, x_j> is linear in W and
every residual obeys r <- (I - eta K^l) r with the masked NTK K^l at initialisation. It is the event engine without
events, and NOT Algorithm 1: the distance from an exact run says how far that run is from the NTK regime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.record import RoundRecord
from .event.engine import KernelEngine
from .event.kernel import fill_kernel, frozen_phase
from .event.network import Changes

if TYPE_CHECKING:
    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray, WordArray
    from ..core.rows import LocalRows
    from .base import Dtype, Problem
    from .event.network import NetworkState


class LinearizedEngine(KernelEngine):
    """Numba, float64; signs of -1 and +1, one output; shards, minibatches and sample weights."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        super().__init__(problem, threads, follow_patterns=False)

    def round(
        self,
        state: NetworkState,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[NetworkState, RoundRecord]:
        """Run one round of the linear model; the state is updated in place."""
        words, residuals = self._subnetworks(state, masks)

        def local_phase(l: int) -> tuple[FloatArray, FloatArray]:
            return self._local_phase(state, words[l], residuals[l], self._seen(rows, l, local_steps), step_size)

        phases = self._workers.map(local_phase, range(len(masks)))
        accumulated = np.array([c[: len(self._y)] for c, _ in phases])
        self._aggregate(state, masks, words, accumulated, Changes.room_for(0), step_size, unselected)
        errors = np.ascontiguousarray(np.array([errors for _, errors in phases]).T)
        return state, RoundRecord(errors, self.full_error(state))

    def _local_phase(
        self, state: NetworkState, mask: WordArray, residual: FloatArray, seen: FloatArray, step_size: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return the sums of residuals c and the errors before the first step and after each."""
        n, padded = self._gram.values.shape
        T, counts = np.zeros((n, padded)), np.empty((n, n), np.int32)
        fill_kernel(state.patterns.by_row, mask, self._gram, self._network.layout.m, counts, T)
        product, driving, errors = np.empty(padded), np.empty_like(seen), np.empty(len(seen) + 1)
        frozen_phase(T, residual, seen, self._error_weight, step_size, product, driving, errors)
        return driving.sum(axis=0), errors
