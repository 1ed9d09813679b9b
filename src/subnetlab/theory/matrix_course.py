"""The prediction with shards or minibatches while activation patterns stay, and where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .course import GROWTH, Course, next_stop
from .matrix_round import MatrixRound
from .slow_time import SlowNeurons

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from .lazy import LazyModel
    from .round_map import RoundMap

_LITTLE = 0.01  # wear in all rounds up to which neurons stay as they are
_TIRED, _ENOUGH = 2000, 1e-7  # iterations, and the relative change at which noise has settled
_TRACE = 1e-30  # of noise, so that noise which grows is seen where there would be none


def matrix_course(model: LazyModel, round_map: RoundMap, rounds: int) -> Course:
    """Return the course of training with frozen patterns, averaged over masks and batches.

    As in `linearized_course`, `SlowNeurons` has the slow part, and given this a round is a `MatrixRound`.
    """
    V, step = model.eigenvectors, _matrix_round(model, round_map)
    error, F = _start(model, round_map.selection_prob)
    course = Course(round_map, rounds)
    slow = step.stable and rounds * _wear(model, round_map, step) > _LITTLE
    neurons = SlowNeurons(model, round_map, step.pull) if slow else None
    C = before = model.activations
    start, last = 0, 1
    steady = neurons is None and not round_map.batched
    while True:
        stop = rounds if steady else next_stop(start, rounds, np.inf, GROWTH)
        length = stop - start
        middle = C + (C - before) * min(1.0, length / (2 * last))  # by extrapolation
        drift = np.zeros(len(error)) if neurons is None else _drift(neurons, step, error, V @ model.targets, length)
        errors = step.errors(error, drift, length)
        after = step.write(course, start, errors, F, middle)
        if stop == rounds:
            return course
        if neurons is not None:
            second = errors[:-1].T @ errors[:-1] / length + (F + after) / 2
            own = step.noise(middle, second)[1] + step.chance(second)
            neurons.advance(errors[:-1].mean(axis=0), middle, length, own)
            before, C = C, neurons.activations()
        error, F, start, last = errors[-1], after, stop, length


def matrix_plateau(model: LazyModel, round_map: RoundMap) -> float:
    """Return the error at which training stands for a while, with C as it is at the start."""
    step = _matrix_round(model, round_map)
    error, _ = _start(model, round_map.selection_prob)
    return _settled(step, step.end_of_mean(error), model.activations, None)


def matrix_floor(model: LazyModel, round_map: RoundMap) -> float:
    """Return the limit of the error for ever more rounds; infinite where it has none."""
    step = _matrix_round(model, round_map)
    if round_map.selection_prob == 1:
        error, _ = _start(model, 1.0)
        return _settled(step, step.end_of_mean(error), np.zeros_like(model.activations), None)
    neurons = SlowNeurons(model, round_map, step.pull)
    end = neurons.settled_mean(model.eigenvectors @ model.targets)
    return _settled(step, end.error, end.activations, neurons)


def _settled(step: MatrixRound, error: FloatArray, C: FloatArray, neurons: SlowNeurons | None) -> float:
    """Return |e|^2 + tr F, where F and what noise keeps up of C answer to each other; infinite where they grow."""
    if not step.stable:
        return float("inf")
    second = np.outer(error, error) + _TRACE * np.eye(len(error))
    total, added, size, before = np.zeros_like(C), C, np.inf, np.inf
    for _ in range(_TIRED):  # F = noise + Psi(noise) + ..., a sum of powers
        shared, own = step.noise(added, second)
        F = step.settled(shared)
        kept = np.zeros_like(C) if neurons is None else neurons.kept_up(own + step.chance(second))
        total, added, second = total + F, kept, F
        size, before = float(np.trace(F) + np.trace(kept)), size
        if not np.isfinite(size):
            return float("inf")
        if size <= _ENOUGH * np.trace(total):
            break
    return float(error @ error + np.trace(total)) if size < before else float("inf")


def _matrix_round(model: LazyModel, round_map: RoundMap) -> MatrixRound:
    V = model.eigenvectors
    return MatrixRound(round_map, round_map.selection_prob * (V * model.eigenvalues) @ V.T)


def _start(model: LazyModel, xi: float) -> tuple[FloatArray, FloatArray]:
    """Return the mean of the first error and its covariance over initial networks."""
    V = model.eigenvectors
    if model.output is None:
        return -V @ model.targets, xi**2 * model.activations
    return V @ (xi * model.output - model.targets), np.zeros_like(model.activations)


def _wear(model: LazyModel, round_map: RoundMap, step: MatrixRound) -> float:
    """Return about which share of its contribution the fastest direction of a neuron loses in a round."""
    size = float(np.linalg.norm(model.X.T @ step.pull @ model.X, 2)) / model.width
    return round_map.coverage * (1 - round_map.selection_prob) * size


def _drift(neurons: SlowNeurons, step: MatrixRound, error: FloatArray, targets: FloatArray, rounds: int) -> FloatArray:
    """Return by how much the penalty moves the error in a round, so that error and neurons agree after ``rounds``."""
    output, B = neurons.answer_to(rounds)
    alone = step.errors(error, np.zeros(len(error)), rounds)
    last, mean = step.answer(rounds)
    return np.linalg.solve(last + B @ mean, output - targets - alone[-1] - B @ alone[:-1].mean(axis=0))
