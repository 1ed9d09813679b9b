"""The look-up engine: the dual engine's steps, where S G is added up from tables of sums instead of multiplied.

A step moves neuron r by z_r -= (eta / sqrt m) a_r sum_i P_ri residual_i G_i, a sum of rows of diag(residual) G that
bits select. Four rows have 16 possible sums, so n / 4 look-ups take the place of n multiplications and additions
(the method of four Russians: Arlazarov, Dinic, Kronrod, Faradzev 1970). Nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiled.lookup_sums import GROUP, PIECE, SUMS, lanes
from ...compiled.patterns import WORD_BITS
from ...compiled.vector_code import aligned_zeros
from ...core.aggregation import aggregation_step
from ...core.losses import LOSSES
from ...core.record import RoundRecord
from ...core.rows import row_weights
from ..workers import Workers
from .steps import collect, gather, observe, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...core.aggregation import Unselected
    from ...core.arrays import BoolArray, FloatArray, IntArray, WordArray
    from ...core.rows import LocalRows
    from ..base import Dtype, Problem


@dataclass
class LookupState:
    """The network as W = W0 - diag(a) C X, and its pre-activations on the data; stores as in `steps`."""

    W0: FloatArray  # (m, d), never written to
    C: FloatArray  # (lines, m, width)
    Z: FloatArray  # (lines, m, width)


@dataclass
class _Slot:
    """Memory of one subnetwork at work; its neurons stand at the front."""

    Z: FloatArray  # (lines, m, width)
    D: FloatArray  # (lines, m, width), its coefficients are P_ri c_i + D_ri
    words: WordArray  # (words, m), P
    c: FloatArray  # (64 words,)
    driving: FloatArray  # (64 words,)
    outputs: FloatArray  # (64 words,), float64
    tables: FloatArray  # (threads, 16 groups of 16 lines)
    block: FloatArray  # (threads, 64)


class LookupEngine:
    """Numba, float64 or float32; one output, fixed signs; shards, minibatches, sample weights and losses."""

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1) -> None:
        self._threads = threads
        self._workers = Workers(threads)
        self._dtype = np.dtype(dtype)
        self._X = np.ascontiguousarray(problem.X, dtype=dtype)
        self._y = problem.y  # errors are summed in float64
        self._weight = problem.sample_weight
        self._a = problem.signs.astype(dtype)
        self._loss = LOSSES[problem.loss]
        self._xi = problem.selection_prob
        n, width = len(self._X), lanes(dtype)
        self._lines, self._words = -(-n // width), -(-n // WORD_BITS)
        self._G = aligned_zeros((self._lines, -(-n // PIECE) * PIECE, width), dtype)
        _fill(self._G, problem.X @ problem.X.T)
        self._slots: list[_Slot] = []
        self._sums: list[FloatArray] = []

    def start(self, weights: FloatArray) -> LookupState:
        """Compute Z; C is zero. Read-only weights of the right dtype are not copied."""
        W0 = np.asarray(weights, dtype=self._dtype)
        if W0.flags.writeable and np.may_share_memory(W0, weights):
            W0 = W0.copy()
        state = LookupState(W0, self._store(), self._store())
        _fill(state.Z, W0 @ self._X.T)
        return state

    def round(
        self,
        state: LookupState,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[LookupState, RoundRecord]:
        """Run one round; the state is updated in place."""
        p = len(masks)
        together = min(self._threads, p)  # subnetworks side by side, or else the parts of a single one
        parts = self._threads if together == 1 else 1
        self._make_room(together)
        rate = step_size / np.sqrt(len(self._a))
        moved, coefficients = self._sums
        moved[:], coefficients[:] = 0, 0
        chosen = [np.flatnonzero(mask) for mask in masks]
        errors = np.empty((local_steps + 1, p))
        for first in range(0, p, together):
            group = range(first, min(first + together, p))

            def local_phase(l: int, first: int = first) -> FloatArray:
                seen = None
                if rows is not None or self._weight is not None:
                    seen = row_weights(rows, l, local_steps, len(self._y), self._weight)
                return self._local_phase(state, self._slots[l - first], chosen[l], rate, local_steps, seen, parts)

            if parts == 1:
                errors[:, group] = np.array(self._workers.map(local_phase, group)).T
            else:
                errors[:, first] = local_phase(first)
            self._collect(state, chosen[first : group.stop])
        self._aggregate(state, aggregation_step(masks), rate, unselected)
        return state, RoundRecord(errors, self.full_error(state))

    def weights(self, state: LookupState) -> FloatArray:
        """Return W = W0 - diag(a) C X."""
        with np.errstate(over="ignore", invalid="ignore"):  # after a run that diverged
            W = _unfold(state.C, len(self._X)) @ self._X
            W *= -self._a[:, np.newaxis]
            W += state.W0
        return W

    def full_error(self, state: LookupState) -> float:
        """Return |y - u|^2, or twice another loss of u."""
        self._make_room(1)
        slot = self._slots[0]
        u = self._xi * self._outputs(state.Z, self._a, slot, parts=1, first_time=True)
        return self._loss.total_error(u, self._y, self._weight)

    def snapshot(self, state: LookupState) -> dict[str, FloatArray]:
        """Return W0, C and Z: Z has rounding errors of its own, so it cannot be computed again."""
        return {"W0": state.W0, "C": state.C.copy(), "Z": state.Z.copy()}

    def restore(self, arrays: Mapping[str, FloatArray]) -> LookupState:
        """Return the state that `snapshot` described."""
        state = LookupState(arrays["W0"], self._store(), self._store())
        state.C[:], state.Z[:] = arrays["C"], arrays["Z"]
        return state

    def _local_phase(
        self,
        state: LookupState,
        slot: _Slot,
        chosen: IntArray,
        rate: float,
        local_steps: int,
        seen: FloatArray | None,
        parts: int,
    ) -> FloatArray:
        """Train the subnetwork for tau steps in the slot; return the errors before the first step and after each."""
        n = len(self._y)
        a = self._a[chosen]
        factors = (-rate * a).astype(self._dtype)
        self._split(parts, self._lines, lambda part, b, e: gather(state.Z, chosen, slot.Z, slot.D, b, e))
        slot.c[:] = 0
        errors = np.empty(local_steps + 1)

        def advance(part: int, first: int, last: int) -> None:
            step(slot.Z, self._G, slot.words, factors, len(a), slot.driving, slot.tables[part], first, last)

        for t in range(local_steps):
            f = self._outputs(slot.Z, a, slot, parts, first_time=t == 0)
            errors[t] = self._loss.total_error(f, self._y, self._weight)
            residual = self._loss.residual(f, self._y)
            slot.driving[:n] = residual if seen is None else residual * seen[t]
            slot.c += slot.driving
            self._split(parts, self._lines, advance)
        errors[local_steps] = self._loss.total_error(
            self._outputs(slot.Z, a, slot, parts, first_time=False), self._y, self._weight
        )
        return errors

    def _outputs(self, Z: FloatArray, a: FloatArray, slot: _Slot, parts: int, *, first_time: bool) -> FloatArray:
        """Return (1 / sqrt m) sum_r a_r relu(z_r) in float64 of the first neurons; the slot's patterns follow."""

        def part_of_outputs(part: int, first: int, last: int) -> None:
            observe(Z, a, len(a), slot.words, first_time, slot.c, slot.D, slot.block[part], slot.outputs, first, last)

        self._split(parts, self._words, part_of_outputs)
        return slot.outputs[: len(self._y)] / np.sqrt(len(self._a))

    def _collect(self, state: LookupState, chosen: Sequence[IntArray]) -> None:
        """Add up what the subnetworks in the slots have done, in their order."""

        def collect_lines(part: int, first: int, last: int) -> None:
            for neurons, slot in zip(chosen, self._slots, strict=False):
                collect(state.Z, neurons, slot.Z, slot.words, slot.c, slot.D, *self._sums, first, last)

        self._split(self._threads, self._lines, collect_lines)

    def _aggregate(self, state: LookupState, eta: FloatArray, rate: float, unselected: Unselected) -> None:
        """w_r += eta_r sum_l Delta^l_r."""
        moved, coefficients = self._sums
        moved *= eta.astype(self._dtype)[:, np.newaxis]
        state.Z += moved
        coefficients *= (rate * eta).astype(self._dtype)[:, np.newaxis]
        state.C += coefficients
        if unselected == "zero":
            erased = eta == 0
            state.W0 = np.where(erased[:, np.newaxis], 0, state.W0)
            state.C[:, erased] = 0
            state.Z[:, erased] = 0

    def _split(self, parts: int, pieces: int, work: Callable[[int, int, int], Any]) -> None:
        """Call work(part, first, last) for consecutive ranges of the pieces, side by side."""
        if parts == 1:
            work(0, 0, pieces)
        else:
            ends = [pieces * part // parts for part in range(parts + 1)]
            self._workers.map(lambda part: work(part, ends[part], ends[part + 1]), range(parts))

    def _store(self) -> FloatArray:
        return aligned_zeros((self._lines, len(self._a), lanes(self._dtype)), self._dtype)

    def _make_room(self, slots: int) -> None:
        """Provide that many slots, and memory for the sums over subnetworks."""
        if not self._sums:
            self._sums = [self._store(), self._store()]
        bits, one_table = WORD_BITS * self._words, WORD_BITS // GROUP * SUMS * lanes(self._dtype)
        while len(self._slots) < slots:
            self._slots.append(
                _Slot(
                    Z=self._store(),
                    D=self._store(),
                    words=np.zeros((self._words, len(self._a)), np.uint64),
                    c=np.zeros(bits, self._dtype),
                    driving=np.zeros(bits, self._dtype),
                    outputs=np.zeros(bits),
                    tables=aligned_zeros((self._threads, one_table), self._dtype),
                    block=np.zeros((self._threads, WORD_BITS), self._dtype),
                )
            )


def _fill(store: FloatArray, Z: FloatArray) -> None:
    """Write Z, shape (neurons, n), into a store of at least so many."""
    lines, _, width = store.shape
    for b in range(lines):
        part = Z[:, b * width : (b + 1) * width]
        store[b, : len(Z), : part.shape[1]] = part


def _unfold(store: FloatArray, n: int) -> FloatArray:
    """Return the (m, n) numbers of a store."""
    return np.ascontiguousarray(store.transpose(1, 0, 2).reshape(store.shape[1], -1)[:, :n])
