"""The local steps of one subnetwork, exact through every change of an activation pattern.

Between changes the residual obeys r <- r - eta K^l r, and with c = accumulated residuals

    q_rj(t) = base_rj - rate sum_i P_ri c_i G_ij,    rate = eta / sqrt m,

where base_rj = q_rj(0) until the pattern of neuron r changes. After each step the entries whose bound says that they
may have crossed zero are computed by this formula. A crossing of (r, j) in step t, an event, then
- corrects the residual: the step went on with P_rj(t), so q_rj / sqrt m is missing (switched on) or too much (off);
- changes K^l by +-G_ij / m for the rows i on which neuron r is active;
- moves the base of the entries of neuron r by +-rate c_j G_ij, so that the formula holds with the new pattern.
Nothing is approximated: an entry that sleeps has not crossed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...kernels.compilation import compiled
from ...kernels.patterns import popcount
from .kernel import bound_motion, multiply, weighted_square
from .lanes import LANES, at_most, masked_axpy, masked_total

if TYPE_CHECKING:
    from ...core.arrays import FloatArray, IntArray
    from .candidates import Candidates
    from .gram import GramMatrix

BOUND_EXCEEDED = -1
_SET_BITS = np.array(  # row b: the positions of the ones of the byte b
    [([i for i in range(LANES) if b >> i & 1] + LANES * [0])[:LANES] for b in range(256)], np.int32
)


class PhaseVectors(NamedTuple):
    """Vectors of one local phase, padded to a multiple of eight, zero behind n."""

    residual: FloatArray
    driving: FloatArray  # seen * residual, what the step follows
    product: FloatArray  # K times it
    c: FloatArray  # sum of driving
    travel: FloatArray  # sum of |driving|
    down: FloatArray  # (n,), bounds of the motion so far
    up: FloatArray  # (n,)

    @classmethod
    def empty(cls, n: int, padded: int) -> PhaseVectors:
        """Return memory for n rows."""
        residual, driving, product, c, travel = np.zeros((5, padded))
        return cls(residual, driving, product, c, travel, np.zeros(n), np.zeros(n))


def _run_phase(
    gram: GramMatrix,
    T: FloatArray,
    watched: Candidates,
    vectors: PhaseVectors,
    seen: FloatArray,
    sample_weight: FloatArray,
    step_size: float,
    m: int,
    most_down: FloatArray,
    most_up: FloatArray,
    errors: FloatArray,
) -> int:
    """Run tau steps from vectors.residual; T, the watched entries and the vectors change as the steps go.

    Returns
    -------
    int
        The number of entries whose pattern has changed at some time, the first ones of ``watched.changed``; or
        BOUND_EXCEEDED if entries that are not watched could have moved through zero.
    """
    n = len(gram.values)
    rate = step_size / np.sqrt(m)
    residual, driving, product, c = vectors.residual, vectors.driving, vectors.product, vectors.c
    c[:] = 0.0
    vectors.travel[:] = 0.0
    changes = 0
    for t in range(len(seen)):
        errors[t] = weighted_square(residual, sample_weight)
        for i in range(n):
            driving[i] = seen[t, i] * residual[i]
            c[i] += driving[i]
            vectors.travel[i] += abs(driving[i])
        multiply(T, driving, product)
        for i in range(n):
            residual[i] -= step_size * product[i]
        bound_motion(gram.values, gram.sizes, c, vectors.travel, rate, vectors.down, vectors.up)
        for j in range(n):
            if vectors.down[j] > most_down[j] or vectors.up[j] > most_up[j]:
                return BOUND_EXCEEDED
        events = look_at_awake(gram.values, watched, vectors, rate)
        changes = change_patterns(gram.values, T, watched, vectors, rate, m, events, changes)
    errors[len(seen)] = weighted_square(residual, sample_weight)
    return changes


def _look_at_awake(G: FloatArray, watched: Candidates, vectors: PhaseVectors, rate: float) -> int:
    """Compute the entries that may have crossed zero, put them to sleep again, list those that have; return how many.

    The listed entries stand in ``watched.crossed``, their q in ``watched.crossed_to``; no pattern changes yet.
    """
    n, padded = G.shape
    n_words = len(watched.patterns) // len(watched.positive)
    terms = vectors.product
    crossed = 0
    for j in range(n):
        down, up = vectors.down[j], vectors.up[j]
        awake = 0
        for first in range(watched.groups[j], watched.groups[j + 1], LANES):
            bits = at_most(watched.wake_down, first, down) | at_most(watched.wake_up, first, up)
            for lane in range(LANES):  # all eight are written, the next block overwrites those that are too many
                watched.awake[awake + lane] = first + _SET_BITS[bits, lane]
            awake += popcount(bits)
        if awake == 0:
            continue
        for i in range(padded):
            terms[i] = rate * vectors.c[i] * G[j, i]
        word, bit = j >> 6, np.uint64(j & 63)
        for place in range(awake):  # without branches that depend on the numbers
            k = watched.awake[place]
            number = watched.number[k]
            pattern = number * n_words
            q = watched.base[k] - masked_total(watched.patterns, pattern, terms, 0, padded // LANES)
            positive = watched.positive[number]
            active = (positive & (q >= 0.0)) | ((not positive) & (q <= 0.0))
            was_active = (watched.patterns[pattern + word] >> bit) & np.uint64(1) != np.uint64(0)
            higher = active == positive
            watched.wake_down[k] = down + q if higher else np.nan
            watched.wake_up[k] = np.nan if higher else up - q
            watched.crossed[crossed] = k
            watched.crossed_to[crossed] = q
            crossed += int(active != was_active)
    return crossed


def _change_patterns(
    G: FloatArray,
    T: FloatArray,
    watched: Candidates,
    vectors: PhaseVectors,
    rate: float,
    m: int,
    events: int,
    changes: int,
) -> int:
    """Switch the crossed entries on or off, one after the other; return the count of entries ever touched.

    One call for all events of a step: a call with so many arrays costs more than an event.
    """
    padded = G.shape[1]
    n_words = len(watched.patterns) // len(watched.positive)
    flat_G, flat_T, c = G.reshape(-1), T.reshape(-1), vectors.c
    per_root_m, per_m = 1.0 / np.sqrt(m), 1.0 / m
    for event in range(events):
        k, q = watched.crossed[event], watched.crossed_to[event]
        j, number = watched.row[k], watched.number[k]
        pattern = number * n_words
        word, bit = pattern + (j >> 6), np.uint64(1) << np.uint64(j & 63)
        on = watched.patterns[word] & bit == np.uint64(0)
        sign = 1.0 if on else -1.0
        vectors.residual[j] += sign * q * per_root_m
        # row j of K gains or loses the terms of this neuron with all its active rows, j itself among them
        watched.patterns[word] |= bit
        change = sign * per_m
        masked_axpy(watched.patterns, pattern, change, flat_G, j * padded, flat_T, j * padded, padded // LANES)
        T[j, j] -= 0.5 * change * G[j, j]  # T + T' holds the diagonal twice
        if not on:
            watched.patterns[word] ^= bit
        watched.correction[k] -= sign * c[j]
        shift = sign * rate * c[j]
        for place in range(watched.first[number], watched.first[number + 1]):
            other = watched.entries[place]
            watched.base[other] += shift * G[j, watched.row[other]]
        watched.changed[changes] = k  # overwritten by the next one if it is not new
        changes += int(not watched.touched[k])
        watched.touched[k] = True
    return changes


change_patterns = compiled(_change_patterns)
look_at_awake = compiled(_look_at_awake)
run_phase = compiled(_run_phase)


def _list_changes(
    watched: Candidates, changes: int, c: FloatArray, neurons: IntArray, rows: IntArray, values: FloatArray
) -> None:
    """List the entries whose pattern has changed, with their coefficients minus P_rj(0) c_j."""
    n_words = len(watched.patterns) // len(watched.positive)
    for place in range(changes):
        k = watched.changed[place]
        number, j = watched.number[k], watched.row[k]
        active = (watched.patterns[number * n_words + (j >> 6)] >> np.uint64(j & 63)) & np.uint64(1) == np.uint64(1)
        value = watched.correction[k]
        if active and not watched.starts_active[k]:
            value += c[j]
        elif watched.starts_active[k] and not active:
            value -= c[j]
        neurons[place] = watched.neuron[number]
        rows[place] = j
        values[place] = value


list_changes = compiled(_list_changes)
