"""The prediction while activation patterns stay, for any number of rounds, and its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..surroundings import undisturbed
from .course import GROWTH, Course, next_stop, recursion
from .matrix_course import matrix_course, matrix_floor, matrix_plateau
from .neuron_noise import ProductNoise
from .slow_time import SlowNeurons

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from .lazy import LazyModel
    from .round_map import RoundMap

_LITTLE = 0.01  # wear in all rounds up to which neurons stay as they are
_COARSE_LITTLE, _COARSE_GROWTH = 0.05, 1.15
_SAME = 0.02  # relative change of C up to which the noise of products is scaled and not computed again


def linearized_course(model: LazyModel, round_map: RoundMap, rounds: int, coarse: bool = False) -> Course:
    """Return the course of training with frozen patterns, averaged over the masks.

    `SlowNeurons` has the slow part: C, and what the penalty does to the mean. Given these, every eigenvector of the
    kernel has a recursion of its own, with the noise (gain_j)^2 xi (1 - xi) C_jj / p for Bernoulli masks, and
    `ProductNoise`. A ``coarse`` course is several times quicker, and off by some per cent.
    """
    if round_map.rows is not None:
        return matrix_course(model, round_map, rounds)
    xi, V = round_map.selection_prob, model.eigenvectors
    h = xi * model.eigenvalues
    gain = round_map.gain(h)
    errors, noise = _start(model, xi)
    course = Course(round_map, rounds)
    little = _COARSE_LITTLE if coarse else _LITTLE
    neurons = SlowNeurons(model, round_map) if rounds * _wear(model, round_map) > little else None
    products = _Products(model, round_map, h)
    C = before = model.activations
    start, last = 0, 1
    while True:
        stop = rounds if neurons is None else next_stop(start, rounds, np.inf, _COARSE_GROWTH if coarse else GROWTH)
        length = stop - start
        middle = C + (C - before) * min(1.0, length / (2 * last))  # by extrapolation
        c = np.einsum("ij,ij->j", V, middle @ V)
        of_products = products.variance(middle, V @ errors, neurons)
        added = round_map.shared * round_map.mask_variance * gain**2 * c + of_products
        drift = np.zeros_like(h) if neurons is None else _drift(neurons, model, errors, 1 - gain, length)
        e = recursion(errors, 1 - gain, drift, length)
        b = recursion(noise, (1 - gain) ** 2, added, length)
        course.write(start, e, b, c, h)
        if stop == rounds:
            return course
        if neurons is not None:
            neurons.advance(V @ e[:-1].mean(axis=0), middle, length)
            before, C = C, neurons.activations()
        errors, noise, start, last = e[-1], b[-1], stop, length


def _wear(model: LazyModel, round_map: RoundMap) -> float:
    """Return about which share of its contribution the fastest direction of a neuron loses in a round."""
    V, S = model.eigenvectors, round_map.pull(round_map.selection_prob * model.eigenvalues)
    if not np.isfinite(S).all():  # the step is too large
        return np.inf
    size = np.linalg.norm(np.sqrt(np.abs(S))[:, np.newaxis] * (V.T @ model.X), 2) ** 2 / model.width
    return float(round_map.coverage * (1 - round_map.selection_prob) * size)


def _drift(neurons: SlowNeurons, model: LazyModel, error: FloatArray, rho: FloatArray, rounds: int) -> FloatArray:
    """Return by how much the penalty moves the error in a round, so that error and neurons agree after ``rounds``.

    With e_{k+1} = rho e_k + drift the mean over the rounds and the last error are linear in the drift, and so is what
    the neurons then put out.
    """
    V = model.eigenvectors
    output, B = neurons.answer_to(rounds)
    by_start, by_drift = (recursion(*pair, rounds) for pair in ((error, rho, 0 * rho), (0 * rho, rho, 1 + 0 * rho)))
    B = V.T @ B @ V
    wanted = V.T @ output - model.targets - by_start[-1] - B @ by_start[:-1].mean(axis=0)
    return np.linalg.solve(np.diag(by_drift[-1]) + B * by_drift[:-1].mean(axis=0), wanted)


@undisturbed(threads=1)
@np.errstate(over="ignore", invalid="ignore")
def plateau(model: LazyModel, round_map: RoundMap) -> float:
    """Return the error at which training stands for a while, k << m / (eta lambda): C as it is at the start."""
    if round_map.overflows(model.eigenvalues):
        return float("inf")
    if round_map.rows is not None:
        return matrix_plateau(model, round_map)
    h = round_map.selection_prob * model.eigenvalues
    noise = _noise_of_a_round(model, round_map, h, model.activations, np.zeros(len(h)))
    initial = model.initial_moment(round_map.selection_prob)
    return _limit(_settling(round_map, h), initial, noise)


@undisturbed(threads=1)
@np.errstate(over="ignore", invalid="ignore")
def floor(model: LazyModel, round_map: RoundMap) -> float:
    """Return the limit of the error for ever more rounds; infinite where it has none."""
    if round_map.overflows(model.eigenvalues):
        return float("inf")
    if round_map.rows is not None:
        return matrix_floor(model, round_map)
    xi = round_map.selection_prob
    h = xi * model.eigenvalues
    gain = _settling(round_map, h)
    initial = model.initial_moment(xi)
    if xi == 1 or np.any((1 - gain) ** 2 > 1 + 1e-9):
        return _limit(gain, initial, np.zeros_like(h))
    V = model.eigenvectors
    neurons = SlowNeurons(model, round_map)
    end = neurons.limit(V @ model.targets)
    if end is None:
        return float("inf")
    noise = _noise_of_a_round(model, round_map, h, end.activations, end.error) + neurons.exchange(end.means)
    return float(np.sum(end.error**2)) + _limit(gain, np.zeros_like(h), noise)


def mean_square_rate(model: LazyModel, round_map: RoundMap) -> float:
    """Return what decides whether the second moments settle: below 1 they do, above 1 they grow without limit.

    The larger of max_j (1 - gain_j)^2, for the mean error, and of the spectral radius of the map that takes C to the C
    which its noise keeps up against the penalty (`SlowNeurons.growth`). While eta h < 2 in all eigenvectors, the second
    is below 1. With Q = own xi (1 - xi) C + theta (1 - theta) F and M_r from P_r S M_r + M_r S P_r = c P_r S Q S P_r,
    c = 1 / (theta (1 - xi)), one has tr S M_r = (c / 2) tr S Q S P_r, which adds up to (c / (2 xi)) tr S Q (I - G): in
    each eigenvector xi (1 - xi) C_jj times E[eta_r] - theta^2 shared (1 + g_j) / (2 - gain_j) <= theta, g_j =
    (1 - eta h_j)^tau, times 1 - g_j < 2.
    """
    xi = round_map.selection_prob
    rho = 1 - round_map.gain(xi * model.eigenvalues)
    growth = SlowNeurons(model, round_map).growth() if xi < 1 else 0.0
    return float(max(np.max(rho**2), growth))


class _Products:
    """`ProductNoise` on the model's patterns, computed again when C has changed."""

    def __init__(self, model: LazyModel, round_map: RoundMap, h: FloatArray) -> None:
        self._noise = ProductNoise(round_map, model.neurons >= 0, model.X, model.width, h, model.eigenvectors)
        self._at = 0.0
        self._error = np.inf
        self._last = np.zeros(len(h))

    def variance(self, C: FloatArray, error: FloatArray, neurons: SlowNeurons | None) -> FloatArray:
        size, squared = float(np.trace(C)), float(error @ error)
        if abs(size - self._at) > _SAME * self._at or abs(squared - self._error) > _SAME * size:
            self._last = self._noise.variance(C, error)
            if neurons is not None:
                self._last = self._last + neurons.exchange()
            self._at, self._error = size, squared
        return self._last


def _start(model: LazyModel, xi: float) -> tuple[FloatArray, FloatArray]:
    """Return the mean of the first error and its variance over initial networks, in the eigenvectors."""
    if model.output is None:
        return -model.targets, xi**2 * model.spread
    return xi * model.output - model.targets, np.zeros(len(model.targets))


def _noise_of_a_round(
    model: LazyModel, round_map: RoundMap, h: FloatArray, C: FloatArray, error: FloatArray
) -> FloatArray:
    V = model.eigenvectors
    c = np.einsum("ij,ij->j", V, C @ V)
    products = ProductNoise(round_map, model.neurons >= 0, model.X, model.width, h, V)
    return round_map.shared * round_map.mask_variance * round_map.gain(h) ** 2 * c + products.variance(C, error)


def _settling(round_map: RoundMap, h: FloatArray) -> FloatArray:
    """Return the gain, which is zero in directions that the kernel of repeated rows has only by rounding."""
    return np.where(np.abs(h) <= len(h) * np.finfo(float).eps * np.abs(h).max(), 0.0, round_map.gain(h))


def _limit(gain: FloatArray, initial: FloatArray, noise: FloatArray) -> float:
    """Return the limit of q^k a + noise (1 - q^k) / (1 - q), q = (1 - gain)^2; infinite where q > 1, a for gain 0."""
    shrinks = gain * (2 - gain)  # 1 - q
    limits = np.where(gain == 0, initial, np.inf)
    limits[shrinks > 0] = noise[shrinks > 0] / shrinks[shrinks > 0]
    stuck = (np.abs(shrinks) <= 1e-12) & (shrinks <= 0) & (noise <= 1e-12 * np.max(initial))
    limits[stuck] = initial[stuck]
    return float(limits.sum())
