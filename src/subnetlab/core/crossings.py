"""What an engine can tell of a round: which activation patterns changed, when, and what that did to the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .arrays import BoolArray, FloatArray, IntArray, WordArray


class Crossings(NamedTuple):
    """The neurons whose patterns one local step changed.

    Parameters
    ----------
    neurons : ndarray of int, shape (E,)
    before, after : ndarray of bool, shape (E, n)
        Their patterns.
    jump : ndarray, shape (n,)
        sum_r a_r (after_rj - before_rj) <w_r, x_j> / sqrt m with the weights after the step: by how much the outputs
        differ from what the patterns before the step make of these weights.
    """

    neurons: IntArray
    before: BoolArray
    after: BoolArray
    jump: FloatArray

    @property
    def changes(self) -> int:
        """How many entries (r, j) changed."""
        return int(np.count_nonzero(self.before != self.after))


NO_CROSSINGS = Crossings(np.empty(0, np.int64), np.empty((0, 0), bool), np.empty((0, 0), bool), np.empty(0))


class LocalPhase(NamedTuple):
    """The local steps of one subnetwork.

    Parameters
    ----------
    kernel : ndarray, shape (n, n)
        K^l, the masked NTK of the first step.
    residual : ndarray, shape (n,)
        f^l - y before the first step.
    seen : ndarray, shape (tau, n)
        The factor of each row in each step.
    steps : tuple of tau Crossings
    """

    kernel: FloatArray
    residual: FloatArray
    seen: FloatArray
    steps: tuple[Crossings, ...]


class RoundTrace(NamedTuple):
    """One round.

    Parameters
    ----------
    masks : ndarray of bool, shape (p, m)
    patterns : ndarray of uint64, shape (n, words)
        Of all neurons before the round, as `subnetlab.compiled.patterns` packs them.
    phases : tuple of p LocalPhase
    jump : ndarray, shape (n,)
        What the patterns that aggregation changed did to the output u, with its factor xi.
    changed : int
        How many of them there are.
    """

    masks: BoolArray
    patterns: WordArray
    phases: tuple[LocalPhase, ...]
    jump: FloatArray
    changed: int

    @property
    def crossings(self) -> int:
        """How many changes of a pattern there were, within local steps and by aggregation."""
        return self.changed + sum(step.changes for phase in self.phases for step in phase.steps)
