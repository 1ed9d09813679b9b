"""Sampled neurons that move as in training, under the expected force and noise of their own; see `moving_course`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr

from ..core.randomness import Purpose, rows_of_words, standard_normals, uniforms
from .slow_time import output_signs

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from .lazy import LazyModel

_JUST_INACTIVE = 1e-12  # the pre-activation of a neuron that has stopped at a kink
_SEED = 0  # of the neurons' noise: the same question has the same answer
_OWN, _SHARED = 0, 1  # added to it: streams of normal numbers
_LEAST_FOLLOWED = 2048  # neurons; fewer given ones are followed several times each, with other noise
_ROOM = 2**22  # of n^2 numbers per neuron: how many neurons tell what is forgotten
_OVER = 0.58  # of a step: how far a random walk passes a border when it crosses it, in the mean


def how_often_selected(count: int, rounds: int, coverage: float, start: int) -> IntArray:
    """Return in how many of the rounds from ``start`` on each neuron is selected, binomial, shape (count, 1)."""
    at_most = bdtr(np.arange(rounds), rounds, coverage)  # the distribution function, below its last step to 1
    u = uniforms(rows_of_words(_SEED, Purpose.NEURON_CHOICES, start, 0, count, 1))
    return np.searchsorted(at_most, u, side="right")


class FollowedNeurons:
    """Sampled neurons, each taken with both signs a, so that what the mean force does not cause cancels.

    What the penalty makes of the initial output does not cancel: it is followed apart, with the given signs.
    """

    def __init__(self, model: LazyModel) -> None:
        copies = -(-_LEAST_FOLLOWED // model.neurons.shape[1])
        z = np.tile(model.neurons.T, (copies, 1))
        self.count = len(z)
        self.inner = model.X @ model.X.T
        self._width = model.width
        self._step = self.inner / np.sqrt(model.width)
        self._active = z >= 0
        self._twins = {1: z.copy(), -1: z.copy()}  # by a
        self._push = np.zeros_like(z)
        self._shaken = np.zeros_like(z)
        self.begin(1, np.ones(1))
        s = np.maximum(model.neurons, 0).T
        self._signs = output_signs(s / np.sqrt(model.width), model.signs, model.output, model.eigenvectors)
        self._worn, self._worn_active = s.copy(), s > 0
        self._first_output = self._signs @ s

    def begin(self, rounds: int, sizes: FloatArray) -> None:
        """Begin an interval of so many rounds, whose local steps move by these shares of a round's way."""
        self._rounds, self.single = rounds, rounds * len(sizes) == 1
        self._largest = float(np.sum(sizes**2))  # the share of a round in the local step that crosses, in the mean

    def push(self, force: FloatArray, selected: IntArray) -> None:
        """Move by -(1 / sqrt m) sum_i P_ri a force_i <x_i, x_j> as often as selected."""
        self._push += selected * force
        over = 0.5 * self._largest / self._rounds
        for a, z in self._twins.items():
            self._move(z, selected * (a * force), over)

    def drift(self, selected: IntArray, pull: FloatArray, noise_root: FloatArray, start: int) -> None:
        """Draw the noise of an interval that a neuron has for itself; move by it and by the neuron's own pull."""
        n = len(pull)
        normals = standard_normals(_SEED + _OWN, Purpose.NEURON_NOISE, 0, self.count, n, round=start)
        noise = normals @ noise_root.T
        own_pull = pull / np.sqrt(self._width)
        for z in self._twins.values():
            own = np.maximum(z, 0) @ own_pull
            self._move(z, selected * own + noise, self._over_by_chance)
        mean = selected.mean()
        self._worn -= self._worn_active * ((self._worn_active * (mean * (self._worn @ own_pull))) @ self._step)

    def shake(self, taken_back: FloatArray, root: FloatArray, start: int) -> None:
        """Move by the change of what shared noise has moved and later rounds have not yet taken back."""
        n = len(root)
        normals = standard_normals(_SEED + _SHARED, Purpose.NEURON_NOISE, 0, self.count, n, round=start)
        self._shaken, before = self._shaken @ taken_back.T + normals @ root.T, self._shaken
        change = self._shaken - before
        for z in self._twins.values():
            self._move(z, change, self._over_by_chance)

    @property
    def _over_by_chance(self) -> float:
        return _OVER * self._largest / np.sqrt(self._rounds)

    def _move(self, z: FloatArray, force: FloatArray, over: float) -> None:
        """Move by -(1 / sqrt m) sum_i P_ri force_i <x_i, x_j>, in place.

        A single local step acts with the patterns at its start. In several, a row's force acts as long as the neuron is
        active on the row: it stops after the step in which it leaves, which goes over the kink by the given part of the
        way in the mean, and starts after the step in which it comes.
        """
        active = z >= 0
        new = z - (active * force) @ self._step
        if not self.single:
            crosses = active != (new >= 0)
            part = np.where(crosses, np.minimum(1.0, z / np.where(crosses, z - new, 1.0) + over), 1.0)
            new = z - (np.where(active, part, 1.0 - part) * force) @ self._step
            new[active & crosses & (new >= 0)] = -_JUST_INACTIVE
        z[...] = new

    def output_change(self, share: float) -> FloatArray:
        """Return the change of the output minus a share of the change with frozen patterns, for xi = 1."""
        moved = (np.maximum(self._twins[1], 0) - np.maximum(self._twins[-1], 0)).sum(axis=0)
        frozen = -2 * (self._active * ((self._active * self._push) @ self._step)).sum(axis=0)
        answered = np.sqrt(self._width) / (2 * self.count) * (moved - share * frozen)
        return answered + (self._signs @ self._worn - self._first_output) / np.sqrt(self._width)

    def agreement(self) -> float:
        """Return how far patterns agree with the initial ones: 1 if all do, 0 if no more than by chance."""
        same = np.mean([np.mean((z >= 0) == self._active) for z in self._twins.values()])
        return max(0.0, 2 * float(same) - 1)

    def patterns(self) -> BoolArray:
        """Return the current patterns, shape (n, neurons)."""
        return self._twins[1].T >= 0

    def some_patterns(self) -> FloatArray:
        """Return the current patterns of the neurons that tell what is forgotten, shape (some, n)."""
        every = int(np.ceil(self.count * len(self.inner) ** 2 / _ROOM))
        return np.vstack([z[::every] >= 0 for z in self._twins.values()]).astype(np.float32)

    def kernel(self) -> FloatArray:
        """Return the sample's current NTK, for xi = 1."""
        counts = sum(active.T @ active for active in ((z >= 0).astype(float) for z in self._twins.values()))
        return self.inner * counts / (2 * self.count)

    def spread(self) -> FloatArray:
        """Return the sample's current C."""
        C = sum(s.T @ s for s in (np.maximum(z, 0) for z in self._twins.values()))
        return np.asarray(C) / (2 * self.count)
