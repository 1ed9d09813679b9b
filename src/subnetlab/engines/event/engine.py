"""The event engine: rounds of Algorithm 1 whose local steps cost n^2, however wide the network."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiled.vector_code import aligned_zeros
from ...core.aggregation import aggregation_step
from ...core.record import RoundRecord
from ...core.rows import row_weights
from ..workers import Workers
from .candidates import Candidates, Near, SlopeTables, find_near, watch
from .kernel import GramMatrix, bound_motion, fill_kernel, frozen_phase
from .local_phase import Phase, PhaseVectors, find_modes, run_phase
from .network import BlockedNetwork, Changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...core.aggregation import Unselected
    from ...core.arrays import BoolArray, FloatArray, WordArray
    from ...core.rows import LocalRows
    from ..base import Dtype, Problem
    from .network import NetworkState

_KERNEL_BYTES = 1 << 28  # of masked kernels held at once
_MARGIN = 1.15  # of a guessed bound over that with frozen patterns
_MOST_GUESSES = 4  # then everything is watched
_SMALL_KERNEL = 1 << 21  # words: threads would wait for the interpreter longer than they count


@dataclass
class _Subnetwork:
    """One subnetwork's part of a round."""

    mask: WordArray  # (words,)
    residual: FloatArray  # (padded,), f - y at the start
    seen: FloatArray  # (tau, padded)
    kernel: FloatArray  # (n, padded), T
    most_down: FloatArray  # (n,), guessed bounds of the motion
    most_up: FloatArray  # (n,)
    directions: FloatArray  # (MODES, padded), in which residuals are expected


@dataclass
class _Outcome:
    """What a local phase leaves: errors (tau + 1,), c (n,), changed coefficients."""

    errors: FloatArray
    accumulated: FloatArray
    changes: Changes


class KernelEngine:
    """The base of engines that follow residuals by masked NTKs and differ in their local phases.

    Float64 inside; signs of -1 and +1, one output; shards, minibatches and sample weights.
    """

    def __init__(self, problem: Problem, threads: int, *, follow_patterns: bool) -> None:
        self._workers = Workers(threads)
        self._network = BlockedNetwork(problem.X, problem.signs, self._workers, follow_patterns=follow_patterns)
        self._gram = GramMatrix.of(problem.X)
        self._y = problem.y
        self._xi = problem.selection_prob
        self._weight = problem.sample_weight
        ones = np.ones(len(self._y)) if problem.sample_weight is None else problem.sample_weight
        self._error_weight = self._gram.padded(ones)

    def start(self, weights: FloatArray) -> NetworkState:
        """Compute q = a z and the patterns."""
        return self._network.start(weights)

    def weights(self, state: NetworkState) -> FloatArray:
        """Return W."""
        return self._network.weights(state)

    def full_error(self, state: NetworkState) -> float:
        """Return |y - u|^2."""
        residual = self._xi * self._network.output(state) - self._y
        return float(np.sum(self._error_weight[: len(residual)] * residual**2))

    def snapshot(self, state: NetworkState) -> dict[str, np.ndarray]:
        """Return W0, coefficients, pre-activations and patterns."""
        return self._network.snapshot(state)

    def restore(self, arrays: Mapping[str, np.ndarray]) -> NetworkState:
        """Return the state that `snapshot` described."""
        return self._network.restore(arrays)

    def _subnetworks(self, state: NetworkState, masks: BoolArray) -> tuple[WordArray, FloatArray]:
        """Return the masks as words, (p, words), and the residuals f - y at the start, (p, padded)."""
        words = self._network.layout.pack(masks)
        return words, self._gram.padded(self._network.outputs(state, words) - self._y)

    def _seen(self, rows: LocalRows | None, l: int, local_steps: int) -> FloatArray:
        return self._gram.padded(row_weights(rows, l, local_steps, len(self._y), self._weight))

    def _aggregate(
        self,
        state: NetworkState,
        masks: BoolArray,
        words: WordArray,
        accumulated: FloatArray,
        changes: Changes,
        step_size: float,
        unselected: Unselected,
    ) -> None:
        """Move the network by what the local phases accumulated, sums of residuals c, shape (p, n)."""
        aggregation, network = aggregation_step(masks), self._network
        network.aggregate(state, words, accumulated, changes, aggregation, step_size / np.sqrt(network.layout.m))
        if unselected == "zero":
            network.erase(state, np.flatnonzero(aggregation == 0))


class EventEngine(KernelEngine):
    """Numba, float64 inside; signs of -1 and +1, one output; shards, minibatches and sample weights."""

    _run_phase = staticmethod(run_phase)  # `traced.TracedEngine` has another

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        super().__init__(problem, threads, follow_patterns=True)
        self._kernels = np.empty((0, *self._gram.values.shape))  # T of the subnetworks at work
        self._near = Near.empty(len(problem.X), 0)
        self._scratch = threading.local()

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
        """Run one round; the state is updated in place."""
        words, residuals = self._subnetworks(state, masks)
        seen = [self._seen(rows, l, local_steps) for l in range(len(masks))]
        outcomes: list[_Outcome] = []
        together = max(1, _KERNEL_BYTES // self._gram.values.nbytes)
        for first in range(0, len(masks), together):
            group = range(first, min(first + together, len(masks)))
            outcomes += self._local_phases(state, words, residuals, seen, step_size, group)
        accumulated = np.array([outcome.accumulated for outcome in outcomes])
        changes = Changes.joined([outcome.changes for outcome in outcomes])
        self._aggregate(state, masks, words, accumulated, changes, step_size, unselected)
        errors = np.array([outcome.errors for outcome in outcomes]).T
        return state, RoundRecord(np.ascontiguousarray(errors), self.full_error(state))

    def _local_phases(
        self,
        state: NetworkState,
        words: WordArray,
        residuals: FloatArray,
        seen: list[FloatArray],
        step_size: float,
        group: range,
    ) -> list[_Outcome]:
        if len(self._kernels) < len(group):
            self._kernels = aligned_zeros((len(group), *self._gram.values.shape), np.float64)

        def prepare(l: int) -> _Subnetwork:
            return self._prepare(state, l - group.start, words[l], residuals[l], seen[l], step_size)

        small = len(self._y) ** 2 * self._network.layout.words < _SMALL_KERNEL
        subnetworks = [prepare(l) for l in group] if small else self._workers.map(prepare, group)
        down = np.max([s.most_down for s in subnetworks], axis=0)
        up = np.max([s.most_up for s in subnetworks], axis=0)
        near = self._near = self._find_near(state, down, up, self._near)
        modes = find_modes(np.array([s.directions for s in subnetworks]))

        def run(l: int) -> _Outcome:
            return self._local_phase(state, subnetworks[l], modes[l], near, step_size)

        return self._workers.map(run, range(len(group)))

    def _prepare(
        self,
        state: NetworkState,
        place: int,
        mask: WordArray,
        residual: FloatArray,
        seen: FloatArray,
        step_size: float,
    ) -> _Subnetwork:
        """Compute the masked NTK, and guess the bounds by running the phase with frozen patterns."""
        m = self._network.layout.m
        T = self._kernels[place]
        self._fill_kernel(state, mask, T)
        product, driving, errors = np.empty_like(residual), np.empty_like(seen), np.empty(len(seen) + 1)
        frozen_phase(T, residual.copy(), seen, self._error_weight, step_size, product, driving, errors)
        travel = np.abs(driving).sum(axis=0)
        down, up = bound_motion(self._gram, driving.sum(axis=0), travel, step_size / np.sqrt(m))
        directions = driving[[0, math.isqrt(len(seen) - 1), -1]]  # residuals decay fast first and slowly later
        return _Subnetwork(mask, residual, seen, T, _MARGIN * down, _MARGIN * up, directions)

    def _find_near(self, state: NetworkState, down: FloatArray, up: FloatArray, near: Near) -> Near:
        """Return the entries within the bounds, in the memory of ``near`` if they fit."""
        layout = self._network.layout
        found = find_near(state.Q.reshape(-1), layout.n_blocks, layout.width, down, up, near)
        if found > len(near.neurons):
            near = Near.empty(layout.n, found + found // 4)
            find_near(state.Q.reshape(-1), layout.n_blocks, layout.width, down, up, near)
        return near

    def _local_phase(
        self, state: NetworkState, subnetwork: _Subnetwork, modes: FloatArray, near: Near, step_size: float
    ) -> _Outcome:
        """Run the local steps, and run them again with wider bounds if a guess proves too small."""
        layout, gram = self._network.layout, self._gram
        down, up = subnetwork.most_down, subnetwork.most_up
        errors = np.empty(len(subnetwork.seen) + 1)
        for guess in range(1, _MOST_GUESSES + 1):
            watched, vectors, tables = self._memory(int(near.offsets[-1]))
            neurons = watch(near, subnetwork.mask, self._network.positive, state.patterns.by_neuron, down, up, watched)
            vectors.residual[:] = subnetwork.residual
            phase = Phase(
                gram,
                subnetwork.kernel,
                watched,
                neurons,
                vectors,
                tables,
                subnetwork.seen,
                self._error_weight,
                modes,
                step_size,
                layout.m,
                down + up,
                errors,
            )
            found = self._run_phase(phase)
            moved_down, moved_up = bound_motion(gram, vectors.c, vectors.travel, step_size / np.sqrt(layout.m))
            if not ((moved_down > down).any() or (moved_up > up).any()):
                return _Outcome(errors, vectors.c[: layout.n].copy(), self._changes(watched, found, vectors.c))
            down, up = 4.0 * np.maximum(down, moved_down), 4.0 * np.maximum(up, moved_up)
            if guess + 1 == _MOST_GUESSES:
                down[:], up[:] = np.inf, np.inf
            near = self._find_near(state, down, up, Near.empty(layout.n, 0))
            self._fill_kernel(state, subnetwork.mask, subnetwork.kernel)
        raise AssertionError("EventEngine: no motion exceeds an infinite bound")

    def _changes(self, watched: Candidates, count: int, c: FloatArray) -> Changes:
        """Return the coefficients that pattern changes of a local phase added or took away."""
        entries = watched.changed[:count]
        rows = watched.row[entries]
        values = watched.correction[entries] + watched.switched[entries] * c[rows]
        return Changes(watched.neuron[watched.number[entries]], rows, values)

    def _memory(self, room: int) -> tuple[Candidates, PhaseVectors, SlopeTables]:
        """Return this thread's memory for a local phase that watches so many entries."""
        n, padded = self._gram.values.shape
        scratch = self._scratch
        if not hasattr(scratch, "vectors"):
            scratch.vectors, scratch.tables = PhaseVectors.empty(n, padded), SlopeTables.empty(n)
            scratch.watched = Candidates.empty(n, self._network.layout.padded, 0)
        if scratch.watched.room < room:
            scratch.watched = Candidates.empty(n, self._network.layout.padded, room + room // 4)
        return scratch.watched, scratch.vectors, scratch.tables

    def _fill_kernel(self, state: NetworkState, mask: WordArray, T: FloatArray) -> None:
        n = self._network.layout.n
        if not hasattr(self._scratch, "counts"):
            self._scratch.counts = np.empty((n, n), np.int32)
        fill_kernel(state.patterns.by_row, mask, self._gram, self._network.layout.m, self._scratch.counts, T)
