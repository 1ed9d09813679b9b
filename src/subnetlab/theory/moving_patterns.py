"""The mean error while activation patterns change, predicted by a sample of neurons that moves as in training.

While patterns are frozen, the mean error obeys e_{k+1} = e_k - theta (1 - (1 - eta H)^tau) e_k. A neuron that crosses
the kink of a row forgets what it had learned about that row, and answers to other rows from then on; both change the
output at order 1/sqrt m. Here a sample of the given neurons is followed instead; docs/theory.md derives it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr

from ..core.randomness import Purpose, rows_of_words, standard_normals, uniforms
from .neuron_noise import matrix_root

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray
    from .lazy import LazyModel

_GROWTH = 1.1  # of the intervals: each ends at most this factor later than it starts, and lasts at least one round
_SEED = 0  # of the neurons' noise: the same question has the same answer


def moving_mean_and_spread(
    model: LazyModel,
    selection_prob: float,
    coverage: float,
    own_noise: float,
    step_size: float,
    local_steps: int,
    rounds: int,
) -> tuple[FloatArray, FloatArray]:
    """Return the mean of u_k - y over the masks, and the diagonal of C_k, in the eigenvectors of the NTK.

    Every sampled neuron follows its own draw of the masks: in a round it is pushed by S (w (e_k + (1 - xi) g) + d),
    where S = eta sum_t (I - eta H)^t, w is 1 with probability theta (whether it is selected), g is what it contributes
    itself (its subnetworks hold it, others may not: the penalty of Lemma 2), and d is normal, the fluctuation of its
    subnetworks' outputs that other neurons do not share. Fluctuations that all share are undone by later rounds.
    Rounds go in growing intervals. Within an interval the error obeys the kernel of the patterns at its start,
    e_{k+1} = e_k - G e_k + s, where G = theta K S, K is the current NTK and s is what G misses. At the end of the
    interval the neurons give the error. The part of the initial NTK that the sample misses is weighted by how far
    patterns still agree with the initial ones.

    Parameters
    ----------
    model : LazyModel
        Of a given network, with a sample of neurons.
    selection_prob, coverage : float
        xi and theta.
    own_noise : float
        Var d = own_noise xi (1 - xi) C: E[eta_r] - theta^2 / p for Bernoulli masks, 1 for categorical ones.
    step_size : float
        eta.
    local_steps, rounds : int
        tau and K.

    Returns
    -------
    mean, spread : ndarray, shape (K + 1, n)

    Raises
    ------
    ValueError
        If the model is an average over initial networks or has no sample of neurons.
    """
    if model.output is None:
        raise ValueError("predict: patterns must be 'frozen' for an average over initial networks, got 'moving'")
    if not model.neurons.size:
        raise ValueError("predict: patterns='moving' needs a model with neurons, got n_neurons=0")
    xi, theta, V = selection_prob, coverage, model.eigenvectors
    shrink = 1 - step_size * xi * model.eigenvalues
    pull = step_size * sum(shrink**t for t in range(local_steps))  # S
    gain = theta * (1 - shrink**local_steps)
    pull_matrix = (V * pull) @ V.T
    noise_root = matrix_root(own_noise * xi * (1 - xi) * model.activations).T @ pull_matrix
    neurons = _Neurons(model, (1 - xi) * pull_matrix / np.sqrt(model.width))

    errors, spreads = np.empty((rounds + 1, len(V))), np.empty((rounds + 1, len(V)))
    errors[0] = xi * model.output - model.targets
    spreads[0], first = model.spread, neurons.spread(V)
    slope, pushed = np.zeros(len(V)), np.zeros(len(V))
    missing = np.diag(model.eigenvalues) - V.T @ neurons.kernel() @ V
    longest = xi * model.width / (8 * (1 - xi)) if xi < 1 else np.inf  # a neuron's own push is to be a small step
    start, share = 0, 1.0
    while start < rounds:
        stop = _next_stop(start, rounds, longest)
        G = theta * xi * (V.T @ neurons.kernel() @ V + share * missing) * pull
        length = stop - start
        selected = _how_often_selected(neurons.count, length, theta, start)
        noise = standard_normals(_SEED, Purpose.NEURON_NOISE, 0, neurons.count, len(V), round=start)
        neurons.drift(selected, np.sqrt(length) * noise @ noise_root)
        total, reached = np.zeros(len(V)), errors[start]  # total: of the errors that have pushed
        for _ in range(1 if length == 1 else 2):  # the second time with what the first has shown of s
            more = _follow(errors[start : stop + 1], G, slope) - total
            neurons.push(V @ (pull * more) / length, selected)
            total, pushed = total + more, pushed + more
            share = neurons.agreement()
            reached = errors[0] - share * gain * pushed + xi * V.T @ neurons.output_change(share)
            slope = (reached - errors[start] + G @ total) / length
        missed = reached - errors[stop]
        part = np.linspace(0, 1, length + 1)[1:, np.newaxis]
        errors[start + 1 : stop + 1] += part * missed
        spread = model.spread * neurons.spread(V) / first
        spreads[start + 1 : stop + 1] = (1 - part) * spreads[start] + part * spread
        start = stop
    return errors, spreads


def _how_often_selected(count: int, rounds: int, coverage: float, start: int) -> IntArray:
    """Return in how many of the rounds from ``start`` on each neuron is selected, binomial, shape (count, 1)."""
    at_most = bdtr(np.arange(rounds), rounds, coverage)  # the distribution function, below its last step to 1
    u = uniforms(rows_of_words(_SEED, Purpose.NEURON_CHOICES, start, 0, count, 1))
    return np.searchsorted(at_most, u, side="right")


def _follow(errors: FloatArray, G: FloatArray, s: FloatArray) -> FloatArray:
    """Fill in e_{k+1} = e_k - G e_k + s after the first row; return the sum of all rows but the last."""
    for before, after in pairwise(errors):
        after[:] = before - G @ before + s
    return errors[:-1].sum(axis=0)


class _Neurons:
    """Sampled neurons, each taken with both signs a, so that what the mean force does not cause cancels."""

    def __init__(self, model: LazyModel, own_pull: FloatArray) -> None:
        z = model.neurons.T
        self.count = len(z)
        self._width = model.width
        self._inner = model.X @ model.X.T
        self._step = self._inner / np.sqrt(model.width)
        self._own_pull = own_pull
        self._active = z >= 0
        self._twins = {1: z.copy(), -1: z.copy()}  # by a
        self._push = np.zeros_like(z)

    def push(self, force: FloatArray, selected: IntArray) -> None:
        """Move by -(1 / sqrt m) sum_i P_ri a force_i <x_i, x_j> as often as selected."""
        self._push += selected * force
        for a, z in self._twins.items():
            z -= ((z >= 0) * (selected * (a * force))) @ self._step

    def drift(self, selected: IntArray, noise: FloatArray) -> None:
        """Move by -(1 / sqrt m) sum_i P_ri (own_ri + noise_ri) <x_i, x_j>, whatever the sign a."""
        for z in self._twins.values():
            own = np.maximum(z, 0) @ self._own_pull
            z -= ((z >= 0) * (selected * own + noise)) @ self._step

    def output_change(self, share: float) -> FloatArray:
        """Return the change of the sample's output minus a share of the change with frozen patterns, for xi = 1."""
        moved = (np.maximum(self._twins[1], 0) - np.maximum(self._twins[-1], 0)).sum(axis=0)
        frozen = -2 * (self._active * ((self._active * self._push) @ self._step)).sum(axis=0)
        return np.sqrt(self._width) / (2 * self.count) * (moved - share * frozen)

    def agreement(self) -> float:
        """Return how far patterns agree with the initial ones: 1 if all do, 0 if no more than by chance."""
        same = np.mean([np.mean((z >= 0) == self._active) for z in self._twins.values()])
        return max(0.0, 2 * float(same) - 1)

    def kernel(self) -> FloatArray:
        """Return the sample's current NTK, for xi = 1."""
        counts = sum(active.T @ active for active in ((z >= 0).astype(float) for z in self._twins.values()))
        return self._inner * counts / (2 * self.count)

    def spread(self, V: FloatArray) -> FloatArray:
        """Return the sample's diagonal of V' C V."""
        s = (np.maximum(z, 0) for z in self._twins.values())
        C = sum((part.T @ part for part in s), np.zeros_like(V))
        return np.einsum("ij,ij->j", V, C @ V)


def _next_stop(start: int, rounds: int, longest: float) -> int:
    """Return the end of the interval that begins at ``start``."""
    return max(start + 1, int(min(rounds, _GROWTH * start, start + longest)))
