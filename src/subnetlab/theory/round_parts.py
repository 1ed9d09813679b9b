"""A round of Algorithm 1 taken apart: what it makes of the error, what the masks add, and what crossings add.

With the patterns as they were in every local step, the residual r^l_t = f^l_t - y of a subnetwork and the error
e_k = u_k - y obey, with no approximation,

    r^l_{t+1} = (I - eta K^l_t S_t) r^l_t + c^l_t,
    e_{k+1}   = e_k - xi eta sum_{l,t} L^l_t S_t r^l_t + c_k,

where S_t holds the factors of the rows that step t sees (1 for all rows), K^l_t is the masked NTK of that step,

    L^l_t,ji = (<x_j, x_i> / m) sum_r eta_r m^l_r P_k,rj P^l_t,ri

the kernel from the patterns of local step t to those of the round's start, and crossings add, for every neuron r whose
pattern on x_j changes, a_r (P_rj after - P_rj before) <w_r, x_j> after / sqrt m to c^l_t,j, and xi times that to c_k,j.
As r^l_0 = e_k + d^l with d^l = f^l_0 - u_k, the recursion is linear in e_k, the d^l and the crossings; docs/derivations
has the proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from ..core.crossings import LocalPhase, RoundTrace


class RoundParts(NamedTuple):
    """The parts of e_{k+1} = T e_k + sampled + crossed."""

    matrix: FloatArray  # (n, n), T_k
    sampled: FloatArray  # (n,), what the masks add by what subnetworks differ from the network at the start
    crossed: FloatArray  # (n,)


def round_parts(trace: RoundTrace, gram: FloatArray, error: FloatArray, eta: float, xi: float) -> RoundParts:
    """Return T_k and what masks and crossings add.

    Parameters
    ----------
    trace : RoundTrace
    gram : ndarray, shape (n, n)
        X X'.
    error : ndarray, shape (n,)
        e_k.
    eta, xi : float
    """
    n, m = len(error), trace.masks.shape[1]
    moved = np.zeros((n, n + 2))  # eta sum_t L_t S_t r_t for r_0 = each unit vector, d^l, and 0 with crossings
    start = _Start(trace, gram / m)
    for l, phase in enumerate(trace.phases):
        moved += eta * _pulled(phase, start, l, phase.residual - error, eta)
    T = np.eye(n) - xi * moved[:, :n]
    return RoundParts(T, -xi * moved[:, n], trace.jump - xi * moved[:, n + 1])


class _Start:
    """P_k, and eta_r m^l_r by the number of holders."""

    def __init__(self, trace: RoundTrace, per_neuron: FloatArray) -> None:
        self.per_neuron = per_neuron  # <x_i, x_j> / m
        self._masks = trace.masks
        self._words = trace.patterns
        self.holders = trace.masks.sum(axis=0)

    def kernel(self, l: int) -> FloatArray:
        """Return L^l of the first step."""
        from ..compiled.patterns import pack_mask, pair_counts

        counts = np.zeros_like(self.per_neuron)
        for holders in np.unique(self.holders[self._masks[l]]):
            held = pack_mask(self._masks[l] & (self.holders == holders))
            counts += pair_counts(self._words[:, : len(held)], held) / holders
        return self.per_neuron * counts

    def patterns(self, neurons: IntArray) -> BoolArray:
        """Return P_k of some neurons, shape (E, n)."""
        words = self._words[:, neurons >> 6].T
        return (words >> (neurons & 63).astype(np.uint64)[:, np.newaxis]) & np.uint64(1) != 0


def _pulled(phase: LocalPhase, start: _Start, l: int, difference: FloatArray, eta: float) -> FloatArray:
    """Return sum_t L_t S_t V_t, the columns of V being I, d^l and 0 at first, the last with the crossings."""
    n = len(difference)
    K = phase.kernel.copy()
    V = np.column_stack([np.eye(n), difference, np.zeros(n)])
    seen = np.zeros_like(V)  # sum of S_t V_t so far
    late = np.zeros_like(V)  # what kernels L before the last one would have to be corrected by
    L = start.kernel(l)
    for S, step in zip(phase.seen, phase.steps, strict=True):
        driving = S[:, np.newaxis] * V
        seen += driving
        V -= eta * (K @ driving)
        if len(step.neurons):
            V[:, -1] += step.jump
            was, now = step.before.astype(float), step.after.astype(float)
            K += start.per_neuron * (now.T @ now - was.T @ was)
            weight = 1.0 / start.holders[step.neurons][:, np.newaxis]
            change = start.per_neuron * ((weight * start.patterns(step.neurons)).T @ (now - was))
            L += change
            rows = np.flatnonzero((now != was).any(axis=0))
            late += change[:, rows] @ seen[rows]
    return L @ seen - late
