"""The course while activation patterns change, predicted by a sample of neurons that move as in training.

While patterns are frozen, the mean error obeys e_{k+1} = e_k - theta (1 - (1 - eta H)^tau) e_k. A neuron that crosses
the kink of a row forgets what it had learned about that row, and answers to other rows from then on; both change the
output at order 1/sqrt m. Here a sample of the given neurons is followed instead; docs/derivations has the method.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .course import Course, next_stop
from .eigen_round import EigenRound
from .followed_neurons import FollowedNeurons
from .forgetting import Forgetting
from .matrix_round import MatrixRound
from .mean_path import MeanPath
from .neuron_noise import ProductNoise, matrix_root

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from .lazy import LazyModel
    from .round_map import RoundMap

_BEYOND = 1e100  # so many times the first squares: on the way to infinity
_SMALL_PULL = 0.1  # of a neuron's own contribution, in an interval


def moving_course(model: LazyModel, round_map: RoundMap, rounds: int) -> Course:
    """Return the course of Algorithm 1, averaged over the masks.

    Every sampled neuron follows its own draw of the masks: in a round it is pushed by S (w (e_k + (1 - xi) g) + d),
    where S = eta sum_t (I - eta H)^t, w is 1 with probability theta (whether it is selected), g is what it contributes
    itself (its subnetworks hold it, others may not: the penalty of Lemma 2), and d is normal, the fluctuation of its
    subnetworks' outputs: what other neurons do not share of it is new in every round, and what they share moves the
    output, so that later rounds take it back.

    The neurons take round after round, and each round's local steps, one after another; what they answer is the error
    of the next (`MeanPath`). What costs more goes in growing intervals: the kernel, by which noise is taken back, with
    C as the neurons have it; what neurons forget of noise as they cross kinks (`Forgetting`); the moves that all
    neurons share; and the part of the initial NTK that the sample misses, weighted by how far patterns still agree with
    the initial ones. With shards or minibatches all local steps of a round are taken at once.

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
    neurons = FollowedNeurons(model)
    kernel = (V * model.eigenvalues) @ V.T
    missing = kernel - neurons.kernel()
    first = error = V @ (xi * model.output - model.targets)
    C, C_missing, size = model.activations, model.activations - neurons.spread(), float(np.trace(neurons.spread()))
    beyond = _BEYOND * max(float(error @ error), size)
    noise = np.zeros_like(C)
    forgetting = Forgetting(neurons.inner, neurons.some_patterns())
    course = Course(round_map, rounds)
    path = MeanPath(neurons, round_map, error)
    start, share = 0, 1.0
    while start < rounds:
        unseen = share * xi * missing
        step = _round(round_map, xi * neurons.kernel() + unseen)
        strongest = theta * (1 - xi) * np.abs(np.linalg.eigvals(step.pull @ neurons.inner)).max() / model.width
        stop = next_stop(start, rounds, _SMALL_PULL / max(strongest, 1e-300))
        length = stop - start
        neurons.begin(start, length, theta, step.sizes(C, error))

        own_pull, before = (1 - xi) * step.pull, neurons.answer()
        neurons.wear(own_pull)
        if round_map.shared or round_map.rows is not None:  # else all neurons together are moved by no noise
            neurons.shake(step.taken_back(length), step.shared_root(C, error, noise, length))
        if isinstance(step, MatrixRound):
            neurons.drift(step.own_root(C, error, noise, length))
        by_chance = xi / length * (neurons.answer() - before)
        if isinstance(step, EigenRound):
            alone = round_map.mask_variance * round_map.own / theta * C + (1 - theta) * noise
            root = matrix_root(alone)  # noise of u pushes those neurons that a round selects
            errors = path.by_local_steps(range(start, stop), step.kernel, unseen, root, by_chance)
        else:
            errors = path.by_rounds(length, step, unseen, neurons.own_force(own_pull), by_chance)
        share = neurons.agreement()
        reached = first + xi * (neurons.output_change(share) - share * theta * kernel @ path.force)
        errors = path.ends(errors, reached)

        found = neurons.spread()
        if not all(np.abs(numbers).max() < beyond for numbers in (errors**2, reached**2, found)):  # or not a number
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
        start, error = stop, errors[-1]
    return course


def _round(round_map: RoundMap, kernel: FloatArray) -> EigenRound | MatrixRound:
    return EigenRound(round_map, kernel) if round_map.rows is None else MatrixRound(round_map, kernel)
