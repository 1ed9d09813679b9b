"""The course while activation patterns change, predicted by a sample of neurons that move as in training.

While patterns are frozen, the mean error obeys e_{k+1} = e_k - theta (1 - (1 - eta H)^tau) e_k. A neuron that crosses
the kink of a row forgets what it had learned about that row, and answers to other rows from then on; both change the
output at order 1/sqrt m. Here a sample of the given neurons is followed instead; docs/derivations has the method.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr

from ..core.randomness import Purpose, rows_of_words, standard_normals, uniforms
from .course import Course, next_stop
from .eigen_round import EigenRound
from .forgetting import Forgetting
from .matrix_round import MatrixRound
from .neuron_noise import ProductNoise
from .slow_time import output_signs

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from .lazy import LazyModel
    from .round_map import RoundMap

_JUST_INACTIVE = 1e-12  # the pre-activation of a neuron that has stopped at a kink
_BEYOND = 1e100  # errors so large are on their way to infinity
_SEED = 0  # of the neurons' noise: the same question has the same answer
_OWN, _SHARED = 0, 1  # added to it: streams of normal numbers
_GROWTH = 1.05  # of the intervals: with 1.1 too few neurons leave over a kink
_SMALL_PULL = 0.25  # of a neuron's own contribution, in an interval
_LEAST_FOLLOWED = 2048  # neurons; fewer given ones are followed several times each, with other noise
_ROOM = 2**22  # of n^2 numbers per neuron: how many neurons tell what is forgotten
_OVER = 0.58  # of a step: how far a random walk passes a border when it crosses it, in the mean


def moving_course(model: LazyModel, round_map: RoundMap, rounds: int) -> Course:
    """Return the course of Algorithm 1, averaged over the masks.

    Every sampled neuron follows its own draw of the masks: in a round it is pushed by S (w (e_k + (1 - xi) g) + d),
    where S = eta sum_t (I - eta H)^t, w is 1 with probability theta (whether it is selected), g is what it contributes
    itself (its subnetworks hold it, others may not: the penalty of Lemma 2), and d is normal, the fluctuation of its
    subnetworks' outputs: what other neurons do not share of it is new in every round, and what they share moves the
    output, so that later rounds take it back.

    Rounds go in growing intervals. Within an interval the error obeys the kernel of the patterns at its start, but for
    what is lost of the output as neurons cross kinks: local training answers to a loss at once, so that of the loss of
    a round only a part is left at its end (`RoundMap.loss_at_the_end`). Noise obeys the same kernel, with C as the
    neurons have it. At the end of the interval the neurons give the error, and the loss of the next interval's rounds.
    The part of the initial NTK that the sample misses is weighted by how far patterns still agree with the initial
    ones.

    Parameters
    ----------
    model : LazyModel
        Of a given network.
    round_map : RoundMap
    rounds : int
        K.

    Raises
    ------
    ValueError
        If the model is an average over initial networks.
    """
    if model.output is None:
        raise ValueError("predict: patterns must be 'frozen' for an average over initial networks, got 'moving'")
    xi, theta, V = round_map.selection_prob, round_map.coverage, model.eigenvectors
    neurons = _Neurons(model)
    kernel = (V * model.eigenvalues) @ V.T
    missing = kernel - neurons.kernel()
    first = error = V @ (xi * model.output - model.targets)
    C, C_missing, size = model.activations, model.activations - neurons.spread(), float(np.trace(neurons.spread()))
    noise, loss, pushed = np.zeros_like(C), np.zeros(len(C)), np.zeros(len(C))
    forgetting = Forgetting(neurons.inner, neurons.some_patterns())
    course = Course(round_map, rounds)
    start, share = 0, 1.0
    while start < rounds:
        step = _round(round_map, xi * (neurons.kernel() + share * missing))
        strongest = theta * (1 - xi) * np.abs(np.linalg.eigvals(step.pull @ neurons.inner)).max() / model.width
        stop = next_stop(start, rounds, _SMALL_PULL / max(strongest, 1e-300), _GROWTH)
        length = stop - start
        selected = _how_often_selected(neurons.count, length, theta, start)

        neurons.begin(length, step.sizes(C, error))
        neurons.drift(selected, (1 - xi) * step.pull, step.own_root(C, error, noise, length), start)
        if round_map.shared or round_map.rows is not None:
            neurons.shake(step.taken_back(length), step.shared_root(C, error, noise, length), start)

        left, answered = step.loss_at_the_end(C, error)
        total, reached, errors = np.zeros(len(C)), error, error[np.newaxis]  # total: of the forces so far
        for _ in range(1 if neurons.single else 2):  # again, with the loss that the first has shown
            errors = step.errors(error, theta * left @ loss, length)
            force = step.pull @ errors[:-1].sum(axis=0) + length * answered @ loss
            neurons.push((force - total) / length, selected)
            total, pushed = force, pushed + force - total
            share = neurons.agreement()
            reached = first - share * theta * xi * kernel @ pushed + xi * neurons.output_change(share)
            loss = (reached - error + theta * step.kernel @ total) / (length * theta)
        errors += np.linspace(0, 1, length + 1)[:, np.newaxis] * (reached - errors[-1])

        found = neurons.spread()
        if not (np.abs(reached).max() < _BEYOND and np.abs(found).max() < _BEYOND):  # or not a number
            course.diverge(start, float(error @ error), float(np.trace(noise)))
            break
        now = found + share * C_missing * float(np.trace(found)) / size
        C, middle = now, (C + now) / 2
        if isinstance(step, EigenRound):
            h, U = step.eigenvalues, step.eigenvectors
            products = ProductNoise(round_map, neurons.patterns(), model.X, model.width, h, U, turn=start)
            forget = partial(forgetting.left, neurons.some_patterns())
            noise = step.write(course, start, errors, noise, middle, products, forget)
        else:
            noise = step.write(course, start, errors, noise, middle)
        start, error = stop, reached
    return course


def _round(round_map: RoundMap, kernel: FloatArray) -> EigenRound | MatrixRound:
    return EigenRound(round_map, kernel) if round_map.rows is None else MatrixRound(round_map, kernel)


def _how_often_selected(count: int, rounds: int, coverage: float, start: int) -> IntArray:
    """Return in how many of the rounds from ``start`` on each neuron is selected, binomial, shape (count, 1)."""
    at_most = bdtr(np.arange(rounds), rounds, coverage)  # the distribution function, below its last step to 1
    u = uniforms(rows_of_words(_SEED, Purpose.NEURON_CHOICES, start, 0, count, 1))
    return np.searchsorted(at_most, u, side="right")


class _Neurons:
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
