"""The mean error while activation patterns change: a sample of neurons, moved by the force that masks exert on average.

While patterns are frozen, the mean error obeys e_{k+1} = e_k - theta (1 - (1 - eta H)^tau) e_k. A neuron that crosses
the kink of a row forgets what it had learned about that row, and answers to other rows from then on; both change the
output at order 1/sqrt m. This module adds the difference, estimated from a sample of the given neurons; docs/theory.md
derives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.arrays import FloatArray
    from .lazy import LazyModel

_GROWTH = 1.1  # of the intervals: each ends at most this factor later than it starts, and lasts at least one round
_SEED = 0  # of the neurons' noise: the same question has the same answer


def moving_mean(
    model: LazyModel,
    selection_prob: float,
    coverage: float,
    own_noise: float,
    step_size: float,
    local_steps: int,
    rounds: int,
) -> FloatArray:
    """Return the mean of u_k - y over the masks in the eigenvectors of the NTK, patterns changing, shape (K + 1, n).

    Every sampled neuron follows its own draw of the masks: in a round it is pushed by S (w e_k + d), where S = eta
    sum_t (I - eta H)^t, w is 1 with probability theta (whether it is selected) and d normal, the fluctuation of its
    subnetworks' outputs that other neurons do not share. What all share is taken back by the following rounds.
    Rounds go in growing intervals, in which the error decays as while patterns are frozen.

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
    noise_root = _root(own_noise * xi * (1 - xi) * model.activations) @ ((V * pull) @ V.T)
    rng = np.random.default_rng(_SEED)
    neurons = _Neurons(model)

    errors = np.empty((rounds + 1, len(V)))
    errors[0] = linear = xi * model.output - model.targets
    correction, slope = np.zeros(len(V)), np.zeros(len(V))
    for start, stop in _intervals(rounds):
        length = stop - start
        total = np.zeros(len(V))  # of the errors that push
        for k in range(start, stop):
            total += errors[k]
            errors[k + 1] = (1 - gain) * errors[k] + slope
        selected = rng.binomial(length, theta, size=(neurons.count, 1)) / (length * theta)
        noise = np.sqrt(length) * rng.standard_normal((neurons.count, len(V))) @ noise_root
        neurons.move(selected * (V @ (theta * pull * total)), noise)
        linear = linear - gain * total
        before, correction = correction, xi * V.T @ neurons.output_change()
        slope = (correction - before) / length
        missed = linear + correction - errors[stop]
        errors[start + 1 : stop + 1] += np.linspace(0, 1, length + 1)[1:, np.newaxis] * missed
    return errors


class _Neurons:
    """Sampled neurons, each with both signs a: what is not due to the mean force cancels in their difference."""

    def __init__(self, model: LazyModel) -> None:
        z = model.neurons.T
        self.count = len(z)
        self._width = model.width
        self._step = model.X @ model.X.T / np.sqrt(model.width)
        self._active = z >= 0
        self._positive, self._negative = z.copy(), z.copy()
        self._push = np.zeros_like(z)

    def move(self, force: FloatArray, noise: FloatArray) -> None:
        """Move by -(1 / sqrt m) sum_i P_ri (a force_i + noise_i) <x_i, x_j>; the sign of the noise is arbitrary."""
        self._push += force
        self._positive -= ((self._positive >= 0) * (noise + force)) @ self._step
        self._negative -= ((self._negative >= 0) * (noise - force)) @ self._step

    def output_change(self) -> FloatArray:
        """Return how far the output of all m neurons is from what it were with frozen patterns, for xi = 1."""
        moved = (np.maximum(self._positive, 0) - np.maximum(self._negative, 0)).sum(axis=0)
        frozen = -2 * (self._active * ((self._active * self._push) @ self._step)).sum(axis=0)
        return np.sqrt(self._width) / (2 * self.count) * (moved - frozen)


def _intervals(rounds: int) -> Iterator[tuple[int, int]]:
    start = 0
    while start < rounds:
        stop = min(rounds, max(start + 1, int(_GROWTH * start)))
        yield start, stop
        start = stop


def _root(C: FloatArray) -> FloatArray:
    """Return S with S' S = C, for a C that is positive semidefinite up to rounding."""
    values, vectors = np.linalg.eigh(C)
    return np.sqrt(np.maximum(values, 0))[:, np.newaxis] * vectors.T
