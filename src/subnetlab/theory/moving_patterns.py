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
from .followed_neurons import FollowedNeurons, how_often_selected
from .forgetting import Forgetting
from .matrix_round import MatrixRound
from .neuron_noise import ProductNoise, matrix_root

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from .lazy import LazyModel
    from .round_map import RoundMap

_BEYOND = 1e100  # errors so large are on their way to infinity
_GROWTH = 1.05  # of the intervals: with 1.1 too few neurons leave over a kink
_SMALL_PULL = 0.1  # of a neuron's own contribution, in an interval


def moving_course(model: LazyModel, round_map: RoundMap, rounds: int) -> Course:
    """Return the course of Algorithm 1, averaged over the masks.

    Every sampled neuron follows its own draw of the masks: in a round it is pushed by S (w (e_k + (1 - xi) g) + d),
    where S = eta sum_t (I - eta H)^t, w is 1 with probability theta (whether it is selected), g is what it contributes
    itself (its subnetworks hold it, others may not: the penalty of Lemma 2), and d is normal, the fluctuation of its
    subnetworks' outputs: what other neurons do not share of it is new in every round, and what they share moves the
    output, so that later rounds take it back.

    Rounds go in growing intervals. In the first ones, of a single round, the sample takes the local steps one after
    another. In a longer one all steps are taken at once, and the error obeys the kernel of the patterns at its start,
    but for what is lost of the output as neurons cross kinks: local training answers to a loss at once, so that of the
    loss of a round only a part is left at its end (`RoundMap.loss_at_the_end`). When in a round losses come is seen in
    local steps that are taken for show. Noise obeys the same kernel, with C as the neurons have it, and neurons
    that cross kinks forget it (`Forgetting`). At the end of an interval the neurons give the error, and the loss of the
    next interval's rounds. The part of the initial NTK that the sample misses is weighted by how far patterns still
    agree with the initial ones. With shards or minibatches no step is taken alone.

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
    noise, loss, pushed = np.zeros_like(C), np.zeros(len(C)), np.zeros(len(C))
    forgetting = Forgetting(neurons.inner, neurons.some_patterns())
    course = Course(round_map, rounds)
    start, share, shares = 0, 1.0, None
    while start < rounds:
        step = _round(round_map, xi * (neurons.kernel() + share * missing))
        strongest = theta * (1 - xi) * np.abs(np.linalg.eigvals(step.pull @ neurons.inner)).max() / model.width
        stop = next_stop(start, rounds, _SMALL_PULL / max(strongest, 1e-300), _GROWTH)
        length = stop - start
        selected = how_often_selected(neurons.count, length, theta, start)

        neurons.wear(selected, (1 - xi) * step.pull)
        taken = None
        if not isinstance(step, EigenRound):
            shares = step.sizes(C, error)
        elif length > 1 and round_map.local_steps == 1:
            shares = np.ones(1)
        else:
            root = matrix_root(round_map.mask_variance * round_map.own / theta * C)
            local = neurons.local_steps(error, root, round_map, share * xi * missing, start)
            seen = local.shares_of_loss()
            shares = seen if shares is None else (shares + seen) / 2  # one round tells much of its own chance
            taken = local if length == 1 else None
        neurons.begin(length, shares)
        if taken is not None:
            neurons.train(selected, taken)
            passes = [None]
        else:  # a long interval twice, the second time with the loss that the first has shown
            own = neurons.own_force((1 - xi) * step.pull)
            passes = [own] if neurons.single else [own, None]
            neurons.drift(step.own_root(C, error, noise, length), start)
        if round_map.shared or round_map.rows is not None:  # else all neurons together are moved by no noise
            neurons.shake(step.taken_back(length), step.shared_root(C, error, noise, length), start)

        left, answered = step.loss_at_the_end(shares)
        total, reached, errors = np.zeros(len(C)), error, np.stack([error, error])  # total: of the forces so far
        for own in passes:
            if taken is not None:
                force = taken.force
            else:
                errors = step.errors(error, theta * left @ loss, length)
                force = step.pull @ errors[:-1].sum(axis=0) + length * answered @ loss
                neurons.push((force - total) / length, selected, own)
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
