"""The lazy-training model of the theory: activation patterns frozen where training started.

With P_rj = 1{<w_{0,r}, x_j> >= 0} fixed, the output (1 / sqrt m) sum_r a_r m^l_r P_rj <w_r, x_j> is linear in W and
every residual obeys r <- (I - eta K^l) r with the masked NTK K^l at initialisation. It is the event engine without
events, and NOT Algorithm 1: the distance from an exact run says how far that run is from the NTK regime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.aggregation import aggregation_step
from ..core.record import RoundRecord
from ..core.rows import row_weights
from .event.kernel import GramMatrix, fill_kernel, frozen_phase
from .event.network import BlockedNetwork, Changes
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray, WordArray
    from ..core.rows import LocalRows
    from .base import Dtype, Problem
    from .event.network import NetworkState


class LinearizedEngine:
    """Numba, float64; signs of -1 and +1, one output; shards, minibatches and sample weights."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._workers = Workers(threads)
        self._network = BlockedNetwork(problem.X, problem.signs, self._workers, follow_patterns=False)
        self._gram = GramMatrix.of(problem.X)
        self._y = problem.y
        self._xi = problem.selection_prob
        self._weight = problem.sample_weight
        ones = np.ones(len(self._y)) if problem.sample_weight is None else problem.sample_weight
        self._error_weight = self._gram.padded(ones)

    def start(self, weights: FloatArray) -> NetworkState:
        """Compute q = a z and the patterns, which stay."""
        return self._network.start(weights)

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
        network = self._network
        words = network.layout.pack(masks)
        residuals = self._gram.padded(network.outputs(state, words) - self._y)

        def local_phase(l: int) -> tuple[FloatArray, FloatArray]:
            weights = row_weights(rows, l, local_steps, len(self._y), self._weight)
            return self._local_phase(state, words[l], residuals[l], self._gram.padded(weights), step_size)

        phases = self._workers.map(local_phase, range(len(masks)))
        aggregation = aggregation_step(masks)
        network.aggregate(
            state,
            words,
            np.array([c[: len(self._y)] for c, _ in phases]),
            Changes.room_for(0),
            aggregation,
            step_size / np.sqrt(network.layout.m),
        )
        if unselected == "zero":
            network.erase(state, np.flatnonzero(aggregation == 0))
        errors = np.ascontiguousarray(np.array([errors for _, errors in phases]).T)
        return state, RoundRecord(errors, self.full_error(state))

    def weights(self, state: NetworkState) -> FloatArray:
        """Return W of the linear model."""
        return self._network.weights(state)

    def full_error(self, state: NetworkState) -> float:
        """Return |y - u|^2 of the linear model, with its frozen patterns."""
        residual = self._xi * self._network.output(state) - self._y
        return float(np.sum(self._error_weight[: len(residual)] * residual**2))

    def snapshot(self, state: NetworkState) -> dict[str, np.ndarray]:
        """Return W0, coefficients, pre-activations and the frozen patterns."""
        return self._network.snapshot(state)

    def restore(self, arrays: Mapping[str, np.ndarray]) -> NetworkState:
        """Return the state that `snapshot` described."""
        return self._network.restore(arrays)

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
