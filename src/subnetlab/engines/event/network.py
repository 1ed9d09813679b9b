"""A network known by its pre-activations and coefficients, in blocks: the part of a round that is linear in m."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...compiled.patterns import WORD_BITS, pack_mask
from .blocks import (
    Layout,
    Patterns,
    combine,
    correct,
    find_patterns,
    sum_outputs,
    transpose_patterns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...core.arrays import BoolArray, FloatArray, IntArray, WordArray
    from ..workers import Workers


@dataclass
class NetworkState:
    """The network as W = W0 + diag(a) C' X, its q = a z on the data, and its patterns."""

    W0: FloatArray  # (m, d), never written to
    erased: BoolArray  # (m,), neurons whose W0 counts as zero
    C: FloatArray  # (blocks, n, b)
    Q: FloatArray  # (blocks, n, b)
    patterns: Patterns


class Changes(NamedTuple):
    """Entries (neuron, row) whose coefficient is not P_rj(0) c_j, and the difference."""

    neurons: IntArray
    rows: IntArray
    values: FloatArray

    @classmethod
    def room_for(cls, count: int) -> Changes:
        """Return memory for so many changes."""
        return cls(np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count))

    @classmethod
    def joined(cls, parts: list[Changes]) -> Changes:
        """Return all changes in the order of the parts."""
        columns: Any = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return cls(*columns)


class BlockedNetwork:
    """What stays the same of a network in blocks, and the steps of a round that touch all of its neurons.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    signs : ndarray, shape (m,)
        -1 or +1.
    workers : Workers
    follow_patterns : bool
        False freezes the patterns where `start` found them: the linearized model.
    """

    def __init__(self, X: FloatArray, signs: FloatArray, workers: Workers, *, follow_patterns: bool = True) -> None:
        self.layout = Layout.of(len(signs), len(X))
        self._X = np.ascontiguousarray(X, dtype=np.float64)
        self._gram = self._X @ self._X.T
        self._a = np.ones(self.layout.padded)
        self._a[: len(signs)] = signs
        self.positive: WordArray = pack_mask(self._a > 0)
        self._everyone = np.full(self.layout.words, ~np.uint64(0))
        self._workers = workers
        self._scratch = threading.local()
        self._follow_patterns = follow_patterns

    def start(self, weights: FloatArray) -> NetworkState:
        """Return the state with these weights, which are not copied where they are float64 and read-only."""
        layout = self.layout
        W0 = np.asarray(weights, dtype=np.float64)
        if W0.flags.writeable and np.may_share_memory(W0, weights):
            W0 = W0.copy()
        shape = (layout.n_blocks, layout.n, layout.width)
        Q = np.zeros(shape)
        for t in range(layout.n_blocks):
            r = layout.block(t)
            Q[t, :, : r.stop - r.start] = self._X @ (self._a[r, np.newaxis] * W0[r]).T
        state = NetworkState(W0, np.zeros(layout.m, bool), np.zeros(shape), Q, Patterns.empty(layout))
        self._workers.map(lambda t: self._find_patterns(state, t), range(layout.n_blocks))
        return state

    def weights(self, state: NetworkState) -> FloatArray:
        """Return W, shape (m, d)."""
        W = state.W0.copy()
        W[state.erased] = 0
        for t in range(self.layout.n_blocks):
            r = self.layout.block(t)
            W[r] += self._a[r, np.newaxis] * (state.C[t].T @ self._X)[: r.stop - r.start]
        return W

    def outputs(self, state: NetworkState, masks: WordArray) -> FloatArray:
        """Return (1 / sqrt m) sum_r m^l_r P_rj q_rj, the outputs (p, n) of masks (p, words)."""
        layout, by_row = self.layout, state.patterns.by_row
        Q, flat = state.Q.reshape(-1), masks.reshape(-1)
        block_words = layout.width // WORD_BITS

        def block_sums(t: int) -> FloatArray:
            sums = np.empty((len(masks), layout.n))
            sum_outputs(Q, t * layout.n * layout.width, by_row, t * block_words, block_words, flat, sums)
            return sums

        total = np.zeros((len(masks), layout.n))
        for sums in self._workers.map(block_sums, range(layout.n_blocks)):
            total += sums
        return total / np.sqrt(layout.m)

    def output(self, state: NetworkState) -> FloatArray:
        """Return (1 / sqrt m) sum_r P_rj q_rj of all neurons, (n,)."""
        return self.outputs(state, self._everyone[np.newaxis])[0]

    def aggregate(
        self,
        state: NetworkState,
        masks: WordArray,
        accumulated: FloatArray,
        changes: Changes,
        aggregation: FloatArray,
        rate: float,
    ) -> None:
        """Move all neurons by rate eta_r sum_l of the subnetworks' coefficients; a factor of zero moves nothing.

        Parameters
        ----------
        masks : ndarray of uint64, shape (p, words)
        accumulated : ndarray, shape (p, n)
            c^l, the sums of residuals.
        changes : Changes
            What the pattern changes of all subnetworks added to the coefficients P_rj c^l_j.
        aggregation : ndarray, shape (m,)
            eta_{k,r}.
        rate : float
            eta / sqrt m.
        """
        layout = self.layout
        padded_aggregation = np.zeros(layout.padded)
        padded_aggregation[: layout.m] = aggregation
        changes, places = _by_blocks(changes, layout)
        scaled_gram = -rate * self._gram
        flat = masks.reshape(-1)
        block_words = layout.width // WORD_BITS

        def change_block(t: int) -> None:
            B, moved = self._block_memory()
            eta = padded_aggregation[t * layout.width : (t + 1) * layout.width]
            combine(state.patterns.by_row, t * block_words, block_words, flat, accumulated, eta, B)
            here = slice(places[t], places[t + 1])
            correct(B, eta, changes.neurons[here] - t * layout.width, changes.rows[here], changes.values[here])
            np.matmul(scaled_gram, B, out=moved)
            state.Q[t] += moved
            B *= rate
            state.C[t] -= B
            if self._follow_patterns:
                self._find_patterns(state, t)

        self._workers.map(change_block, range(layout.n_blocks))

    def _block_memory(self) -> tuple[FloatArray, FloatArray]:
        """Return two arrays (n, b) of this thread's own."""
        if not hasattr(self._scratch, "block"):
            shape = (self.layout.n, self.layout.width)
            self._scratch.block = (np.empty(shape), np.empty(shape))
        return self._scratch.block

    def erase(self, state: NetworkState, neurons: IntArray) -> None:
        """Make the weights of these neurons zero; at z = 0 they are active."""
        if not len(neurons):
            return
        state.erased[neurons] = True
        block, place = np.divmod(neurons, self.layout.width)
        state.C[block, :, place] = 0
        state.Q[block, :, place] = 0
        if self._follow_patterns:
            for t in np.unique(block):
                self._find_patterns(state, int(t))

    def snapshot(self, state: NetworkState) -> dict[str, np.ndarray]:
        """Return everything that the further bits depend on."""
        return {
            "W0": state.W0,
            "erased": state.erased.copy(),
            "C": state.C.copy(),
            "Q": state.Q.copy(),
            "by_row": state.patterns.by_row.copy(),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> NetworkState:
        """Return the state that `snapshot` described."""
        patterns = Patterns.empty(self.layout)
        patterns.by_row[:] = arrays["by_row"]
        erased, C, Q = (arrays[name].copy() for name in ("erased", "C", "Q"))
        state = NetworkState(arrays["W0"], erased, C, Q, patterns)
        transpose_patterns(patterns, 0, self.layout.words)
        return state

    def _find_patterns(self, state: NetworkState, t: int) -> None:
        layout = self.layout
        block_words = layout.width // WORD_BITS
        words = slice(t * block_words, (t + 1) * block_words)
        first = t * layout.n * layout.width
        by_row = state.patterns.by_row
        find_patterns(state.Q.reshape(-1), first, layout.n, self.positive[words], by_row, words.start)
        transpose_patterns(state.patterns, words.start, block_words)


def _by_blocks(changes: Changes, layout: Layout) -> tuple[Changes, IntArray]:
    """Return the changes in the order of blocks, those of block t from places[t] to places[t + 1]."""
    block = changes.neurons // layout.width
    if layout.n_blocks <= 1 << 16:
        block = block.astype(np.uint16)  # sorted by radix
    order = np.argsort(block, kind="stable")
    places = np.searchsorted(block[order], np.arange(layout.n_blocks + 1))
    return Changes(changes.neurons[order], changes.rows[order], changes.values[order]), places
