"""Sampled neurons that move as in training, under the expected force and noise of their own; see `moving_course`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr

from ..core.randomness import Purpose, rows_of_words, single_normals, uniforms
from .slow_time import output_signs

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from .lazy import LazyModel
    from .round_map import RoundMap

_JUST_INACTIVE = 1e-12  # the pre-activation of a neuron that has stopped at a kink, relative to the largest at first
_SEED = 0  # of the neurons' noise: the same question has the same answer
_OWN, _SHARED = 0, 1  # added to it: streams of normal numbers
_FOLLOWED = 2**13  # neurons; fewer given ones are followed several times each, all at least twice
_ROOM = 2**22  # of n^2 numbers per neuron: how many neurons tell what is forgotten
_OVER = 0.58  # of a step: how far a random walk passes a border when it crosses it, in the mean


def how_often_selected(count: int, rounds: int, coverage: float, start: int) -> IntArray:
    """Return in how many of the rounds from ``start`` on each neuron is selected, binomial, shape (count, 1)."""
    at_most = bdtr(np.arange(rounds), rounds, coverage)  # the distribution function, below its last step to 1
    u = uniforms(rows_of_words(_SEED, Purpose.NEURON_CHOICES, start, 0, count, 1))
    return np.searchsorted(at_most, u, side="right")


def _fits_single(*arrays: FloatArray) -> bool:
    """Return whether the largest numbers of arrays, and products of them, are numbers in single precision."""
    return all(1e-15 < np.abs(array).max() < 1e15 for array in arrays)


@dataclass(frozen=True)
class LocalSteps:
    """What the local steps of a round make of the sampled neurons, if a subnetwork holds them.

    Parameters
    ----------
    ends : dict from sign a to ndarray, shape (count, n)
        The pre-activations after the steps.
    force, error : ndarray, shape (n,)
        Of all steps together; what is left of the mean error after them.
    """

    ends: dict[int, FloatArray]
    force: FloatArray
    error: FloatArray


class FollowedNeurons:
    """Sampled neurons, each taken with both signs a, so that what the mean force does not cause cancels.

    What the penalty makes of the initial output does not cancel: it is followed apart, with the given signs.
    """

    def __init__(self, model: LazyModel) -> None:
        pairs = max(1, round(_FOLLOWED / (2 * model.neurons.shape[1])))
        z = np.tile(model.neurons.T, (2 * pairs, 1))
        self.count = len(z)
        self.inner = model.X @ model.X.T
        self._width = model.width
        self._step = self.inner / np.sqrt(model.width)
        self._active = z >= 0
        self._just_inactive = _JUST_INACTIVE * float(np.abs(z).max())
        self._twins = {1: z.copy(), -1: z.copy()}  # by a
        self._push = np.zeros_like(z)
        self._shaken = np.zeros_like(z)
        s = np.maximum(model.neurons, 0).T
        self._signs = output_signs(s / np.sqrt(model.width), model.signs, model.output, model.eigenvectors)
        self._worn, self._worn_active = s.copy(), s > 0
        self._first_output = self._signs @ s

    def begin(self, start: int, rounds: int, coverage: float, sizes: FloatArray) -> None:
        """Begin an interval of so many rounds, whose local steps move by these shares of a round's way."""
        self._start, self._coverage, self.sizes, self._rounds = start, coverage, sizes, rounds
        self._over = _OVER * float(np.sum(sizes**2)) / np.sqrt(rounds)  # sum: the step that crosses, in the mean

    def own_force(self, pull: FloatArray) -> dict[int, FloatArray]:
        """Return by sign what a neuron's own contribution adds to the force on it in a round, shape (count, n)."""
        return {a: np.maximum(z, 0) @ (pull / np.sqrt(self._width)) for a, z in self._twins.items()}

    def selected(self) -> FloatArray:
        """Return how often a round of the interval selects each neuron, in the mean of its rounds, shape (count, 1)."""
        return how_often_selected(self.count, self._rounds, self._coverage, self._start) / self._rounds

    def push(self, force: FloatArray, selected: FloatArray, own: dict[int, FloatArray]) -> None:
        """Move by -(1 / sqrt m) sum_i P_ri (a force + own)_i <x_i, x_j> as often as selected.

        Both at once: late in a run they nearly balance, and one alone would carry neurons over kinks.
        """
        self._push += selected * force
        for a, z in self._twins.items():
            z -= ((z >= 0) * (selected * (a * force + own[a]))) @ self._step

    def local_steps(
        self,
        round: int,
        error: FloatArray,
        noise_root: FloatArray,
        round_map: RoundMap,
        kernel: FloatArray,
        missing: FloatArray,
    ) -> LocalSteps:
        """Take the local steps of a round one after another, as if all neurons were in it; none is moved here.

        Parameters
        ----------
        round : int
            Decides the noise.
        error : ndarray, shape (n,)
            The mean error at the start.
        noise_root : ndarray, shape (n, n)
            A root of the covariance of what a subnetwork's output has for a neuron alone.
        round_map : RoundMap
        kernel, missing : ndarray, shape (n, n)
            H, and what it has that the sample has not.
        """
        eta, xi = round_map.step_size, round_map.selection_prob
        G, step = np.eye(len(error)) - eta * kernel, eta * self._step
        noise = self._noise(_OWN, round, noise_root)
        single = noise.dtype == np.float32 and _fits_single(error, G, step)  # noise is far above what that rounds off
        precision = np.float32 if single else np.float64
        G, step = G.astype(precision), step.astype(precision)
        ends = {a: z.copy() for a, z in self._twins.items()}
        own = {a: (1 - xi) / np.sqrt(self._width) * np.maximum(z, 0) for a, z in ends.items()}
        alone = {a: (noise + own[a]).astype(precision) for a in ends}
        first, force, now = self.answer(), np.zeros_like(error), error
        room = np.empty(noise.shape, precision)
        for _ in range(round_map.local_steps):
            force = force + eta * now
            for a, z in ends.items():
                np.add(alone[a], (a * now).astype(precision), out=room)
                room *= z >= 0
                z -= room @ step
                alone[a] = alone[a] @ G
            now = error + xi * (self.answer(ends) - first) - missing @ force
        return LocalSteps(ends, force, now)

    def train(self, round: int, steps: LocalSteps) -> None:
        """Move the neurons that are selected in a round as far as its local steps have moved them."""
        selected = how_often_selected(self.count, 1, self._coverage, round)
        for a, z in self._twins.items():
            np.copyto(z, steps.ends[a], where=selected > 0)
        self._push += selected * steps.force

    def drift(self, noise_root: FloatArray) -> None:
        """Draw the noise of an interval that a neuron has for itself, and move by it."""
        noise = self._noise(_OWN, self._start, noise_root)
        for z in self._twins.values():
            self._wander(z, noise)

    def wear(self, pull: FloatArray) -> None:
        """Move what the penalty makes of the initial output by the neurons' own pull."""
        often = self._coverage * self._rounds / np.sqrt(self._width)
        self._worn -= self._worn_active * ((self._worn_active * (often * (self._worn @ pull))) @ self._step)

    def shake(self, taken_back: FloatArray, root: FloatArray) -> None:
        """Move by the change of what shared noise has moved and later rounds have not yet taken back."""
        noise = self._noise(_SHARED, self._start, root)
        self._shaken, before = self._shaken @ taken_back.T + noise, self._shaken
        for z in self._twins.values():
            self._wander(z, self._shaken - before)

    def _noise(self, stream: int, round: int, root: FloatArray) -> FloatArray:
        """Return normal noise of covariance root root', shape (count, n).

        The second half of the neurons are the first half again, with the opposite noise: much of its chance cancels.
        """
        normals = single_normals(_SEED + stream, Purpose.NEURON_NOISE, self.count // 2, len(self.inner), round=round)
        noise = normals @ (root.T.astype(normals.dtype) if _fits_single(root) else root.T)
        return np.vstack([noise, -noise])

    def _wander(self, z: FloatArray, force: FloatArray) -> None:
        """Move by the noise of many steps, -(1 / sqrt m) sum_i P_ri force_i <x_i, x_j>, in place.

        A row's force acts as long as the neuron is active on the row: it stops after the step in which it leaves, which
        goes over the kink by a part of the way, and starts after the step in which it comes.
        """
        active = z >= 0
        new = z - (active * force) @ self._step
        crosses = active != (new >= 0)
        part = np.where(crosses, np.minimum(1.0, z / np.where(crosses, z - new, 1.0) + self._over), 1.0)
        new = z - (np.where(active, part, 1.0 - part) * force) @ self._step
        new[active & crosses & (new >= 0)] = -self._just_inactive
        z[...] = new

    def output_change(self, share: float) -> FloatArray:
        """Return the change of the output minus a share of the change with frozen patterns, for xi = 1."""
        frozen = -2 * (self._active * ((self._active * self._push) @ self._step)).sum(axis=0)
        answered = self.answer(self._twins) - share * np.sqrt(self._width) / (2 * self.count) * frozen
        return answered + (self._signs @ self._worn - self._first_output) / np.sqrt(self._width)

    def answer(self, twins: dict[int, FloatArray] | None = None) -> FloatArray:
        """Return what differs between the two signs of the output, for xi = 1."""
        twins = self._twins if twins is None else twins
        differences = (np.maximum(twins[1], 0) - np.maximum(twins[-1], 0)).sum(axis=0)
        return np.sqrt(self._width) / (2 * self.count) * differences

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
