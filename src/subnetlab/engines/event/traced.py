"""The event engine with a record of every crossing: what `subnetlab.theory.round_parts` takes a round apart with.

Local steps are taken one at a time, so that the patterns before and after each of them can be compared. The numbers are
those of the event engine to the bit: a step does not know how many come after it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.crossings import NO_CROSSINGS, Crossings, LocalPhase, RoundTrace
from .engine import EventEngine
from .local_phase import begin_phase, run_steps

if TYPE_CHECKING:
    from ...core.arrays import BoolArray, FloatArray, IntArray, WordArray
    from ...core.record import RoundRecord
    from .candidates import Candidates, Near
    from .engine import _Outcome, _Subnetwork
    from .local_phase import Phase
    from .network import NetworkState


class TracedEngine(EventEngine):
    """An event engine on one thread; ``trace`` is about the round that it ran last."""

    trace: RoundTrace

    def round(self, state: NetworkState, masks: BoolArray, *args: Any, **settings: Any) -> tuple[Any, RoundRecord]:
        """Run one round, and keep what crossed zero in it."""
        self._phases: list[LocalPhase] = []
        before = state.patterns.by_row.copy()
        state, record = super().round(state, masks, *args, **settings)
        crossing, count = self._crossed_in_aggregation(state, before)
        self.trace = RoundTrace(masks, before, tuple(self._phases), crossing, count)
        return state, record

    def error(self, state: NetworkState) -> FloatArray:
        """Return u - y."""
        return self._xi * self._network.output(state) - self._y

    def _local_phase(
        self, state: NetworkState, subnetwork: _Subnetwork, modes: FloatArray, near: Near, step_size: float
    ) -> _Outcome:
        n = self._network.layout.n
        kernel = (subnetwork.kernel[:, :n] + subnetwork.kernel[:, :n].T).copy()
        outcome = super()._local_phase(state, subnetwork, modes, near, step_size)
        self._phases.append(
            LocalPhase(kernel, subnetwork.residual[:n].copy(), subnetwork.seen[:, :n].copy(), tuple(self._steps))
        )
        return outcome

    def _run_phase(self, phase: Phase) -> int:
        """Do what `run_phase` does, step by step."""
        modes, predicted = begin_phase(phase)
        self._steps: list[Crossings] = []  # of an earlier guess, they do not count
        watched, root, n = phase.watched, math.sqrt(phase.m), len(phase.most)
        patterns = watched.patterns.reshape(len(watched.neuron), -1)[: phase.neurons]
        spread = 0.0  # what the steps so far add to the rounding of predictions
        for t in range(len(phase.seen)):
            before = patterns.copy()
            driving = phase.seen[t] * phase.vectors.residual
            run_steps(phase, modes, predicted, t, t + 1, phase.most + spread * phase.gram.norms)
            spread += phase.step_size / root * float(np.linalg.norm(driving))
            self._steps.append(_crossings(watched, before, patterns, n, root))
        touched = np.flatnonzero(watched.touched[: watched.groups[-1]] & (watched.number[: watched.groups[-1]] >= 0))
        watched.changed[: len(touched)] = touched
        return len(touched)

    def _crossed_in_aggregation(self, state: NetworkState, before: WordArray) -> tuple[FloatArray, int]:
        """Return (xi / sqrt m) sum_r (P_rj - P_rj before) q_rj, and how many patterns have changed."""
        layout = self._network.layout
        on = _bits(state.patterns.by_row, layout.padded).astype(np.int8)
        change = (on - _bits(before, layout.padded)).reshape(layout.n, layout.n_blocks, layout.width)
        crossing = np.einsum("jbr,bjr->j", change, state.Q)
        return self._xi / math.sqrt(layout.m) * crossing, int(np.count_nonzero(change))


def _crossings(watched: Candidates, before: WordArray, after: WordArray, n: int, root: float) -> Crossings:
    """Return what one step has changed: `take_steps` has left its events in ``crossed`` and ``crossed_to``."""
    changed = np.flatnonzero((before != after).any(axis=1))
    if not len(changed):
        return NO_CROSSINGS
    was, now = _bits(before[changed], n), _bits(after[changed], n)
    count = int(np.count_nonzero(was != now))
    entries, q = watched.crossed[:count], watched.crossed_to[:count]
    rows = watched.row[entries]
    place = np.searchsorted(changed, watched.number[entries])
    sign = np.where(now[place, rows], 1.0, -1.0)
    jump = np.bincount(rows, weights=sign * q, minlength=n) / root
    return Crossings(watched.neuron[changed].astype(np.int64), was, now, jump)


def _bits(words: WordArray, count: int) -> BoolArray:
    """Return the first ``count`` bits of each row of words, shape (rows, count)."""
    octets: IntArray = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=count, bitorder="little").astype(bool)
