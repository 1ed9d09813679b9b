"""The local steps of one subnetwork, exact through every change of an activation pattern.

Between changes the residual obeys r <- r - eta K^l r, and with c = accumulated residuals

    q_rj(t) = base_rj - rate sum_i P_ri c_i G_ij,    rate = eta / sqrt m,

where base_rj = q_rj(0) until the pattern of neuron r changes. After each step the entries that may have crossed zero
are computed by this formula. Which may have is known without it: the driving residual is split into its part along a
few modes u_k, with coefficients that add up to advance_k / rate, and a rest. The former moves q_rj by
-sum_k advance_k V_kj with V_kj = sum_i P_ri u_ki G_ij, the slopes, and the latter by at most grown_j, whatever the
pattern. A crossing of (r, j) in step t, an event, then
- corrects the residual: the step went on with P_rj(t), so q_rj / sqrt m is missing (switched on) or too much (off);
- changes K^l by +-G_ij / m for the rows i on which neuron r is active;
- moves the base of the entries of neuron r by +-rate c_j G_ij, so that the formula holds with the new pattern, and
  their slopes likewise.
Nothing is approximated: an entry that sleeps has not crossed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...kernels.compilation import compiled
from ...kernels.patterns import popcount
from ...kernels.vector_code import aligned_zeros
from .candidates import do_not_predict, predict
from .kernel import multiply, weighted_square, widen
from .lanes import LANES, MODES, masked_axpy, masked_total, within_reach

if TYPE_CHECKING:
    from ...core.arrays import FloatArray
    from .candidates import Candidates
    from .gram import GramMatrix

# an event changes the slopes of all entries of its neuron: where they are more, that costs more than looks do
_MOST_PREDICTED = 48
_ROUNDING = 16 * 2.0**-53  # of predictions, relative to the terms added up
_FLAGS = {"reassoc", "contract", "nsz"}
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
    rest: FloatArray  # the part of driving outside the modes
    grown: FloatArray  # (n,), bounds of the motion so far that the modes do not explain
    reach: FloatArray  # (n,), the same and what rounding errors amount to at most
    advance: FloatArray  # (MODES,), rate times the sums of the coefficients along the modes

    @classmethod
    def empty(cls, n: int, padded: int) -> PhaseVectors:
        """Return memory for n rows."""
        residual, driving, product, c, travel, rest = aligned_zeros((6, padded), np.float64)
        grown, reach = np.zeros((2, n))
        return cls(residual, driving, product, c, travel, rest, grown, reach, np.zeros(MODES))


def _run_phase(
    gram: GramMatrix,
    T: FloatArray,
    watched: Candidates,
    neurons: int,
    vectors: PhaseVectors,
    seen: FloatArray,
    sample_weight: FloatArray,
    modes: FloatArray,
    step_size: float,
    m: int,
    most_down: FloatArray,
    most_up: FloatArray,
    errors: FloatArray,
) -> int:
    """Run tau steps from vectors.residual; T, the watched entries and the vectors change as the steps go.

    Parameters
    ----------
    neurons : int
        The number of neurons that have watched entries.

    Returns
    -------
    int
        The number of entries whose pattern has changed at some time, the first ones of ``watched.changed``. All is
        right if `kernel.bound_motion` of what c and travel have become is within most_down and most_up: entries that
        are not watched cannot have moved through zero then.
    """
    n = len(gram.values)
    rate = step_size / np.sqrt(m)
    residual, driving, product, c = vectors.residual, vectors.driving, vectors.product, vectors.c
    c[:] = 0.0
    vectors.travel[:] = 0.0
    vectors.grown[:] = 0.0
    vectors.advance[:] = 0.0
    changes, spread = np.int64(0), 0.0
    predicted = watched.groups[n] <= _MOST_PREDICTED * neurons
    if predicted:
        predict(gram.values, modes, watched)
    else:
        do_not_predict(modes, watched)
    for t in range(len(seen)):
        errors[t] = weighted_square(residual, sample_weight)
        for i in range(n):
            driving[i] = seen[t, i] * residual[i]
            c[i] += driving[i]
            vectors.travel[i] += abs(driving[i])
        multiply(T, driving, product)
        for i in range(n):
            residual[i] -= step_size * product[i]
        spread += rate * split_off_modes(driving, modes, rate, vectors.advance, vectors.rest)
        widen(gram.values, gram.sizes, vectors.rest, rate, vectors.grown)
        rounding = _ROUNDING * (n + len(seen))
        for j in range(n):
            size = spread * gram.norms[j] + most_down[j] + most_up[j]
            vectors.reach[j] = vectors.grown[j] + rounding * size
        events = look_at_awake(gram.values, watched, vectors, rate)
        changes = change_patterns(gram.values, T, watched, vectors, modes, predicted, rate, m, events, changes)
    errors[len(seen)] = weighted_square(residual, sample_weight)
    note_coefficients(watched, changes, c)
    return int(changes)


def _split_off_modes(
    driving: FloatArray, modes: FloatArray, rate: float, advance: FloatArray, rest: FloatArray
) -> float:
    """Take the parts along the modes off what drives a step, add them to advance; return the length of all of it."""
    square = 0.0
    for i in range(len(driving)):
        rest[i] = driving[i]
        square += driving[i] * driving[i]
    for k in range(MODES):
        along = 0.0
        for i in range(len(driving)):
            along += modes[k, i] * driving[i]
        advance[k] += rate * along
        for i in range(len(driving)):
            rest[i] -= along * modes[k, i]
    return np.sqrt(square)


def _look_at_awake(G: FloatArray, watched: Candidates, vectors: PhaseVectors, rate: float) -> int:
    """Compute the entries that may have crossed zero, put them to sleep again, list those that have; return how many.

    The listed entries stand in ``watched.crossed``, their q in ``watched.crossed_to``; no pattern changes yet.
    """
    n, padded = G.shape
    n_words = len(watched.patterns) // len(watched.positive)
    terms = vectors.product
    crossed = 0
    for j in range(n):
        reach, grown = vectors.reach[j], vectors.grown[j]
        awake = 0
        for first in range(watched.groups[j], watched.groups[j + 1], LANES):
            bits = within_reach(watched.distance, first, watched.slopes, vectors.advance, reach)
            if bits != np.uint64(0):
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
            side = 1.0 if higher else -1.0
            distance = side * q + grown
            place = MODES * k - (MODES - 1) * (k & 7)
            for mode in range(MODES):
                watched.slopes[place] *= side * watched.side[k]
                distance += vectors.advance[mode] * watched.slopes[place]
                place += LANES
            watched.side[k] = side
            watched.distance[k] = distance
            watched.crossed[crossed] = k
            watched.crossed_to[crossed] = q
            crossed += int(active != was_active)
    return crossed


def _change_patterns(
    G: FloatArray,
    T: FloatArray,
    watched: Candidates,
    vectors: PhaseVectors,
    modes: FloatArray,
    predicted: bool,
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
        shift = rate * c[j]
        moved = 0.0  # by the modes so far, per G_ij
        for mode in range(MODES):
            moved += vectors.advance[mode] * modes[mode, j]
        for entry in range(watched.first[number], watched.first[number + 1]):
            other = watched.entries[entry]
            term = sign * G[j, watched.row[other]]
            watched.base[other] += shift * term
            if not predicted:
                continue
            term *= watched.side[other]
            watched.distance[other] += moved * term
            place = MODES * other - (MODES - 1) * (other & 7)
            for mode in range(MODES):
                watched.slopes[place] += modes[mode, j] * term
                place += LANES
        watched.changed[changes] = k  # overwritten by the next one if it is not new
        changes += int(not watched.touched[k])
        watched.touched[k] = True
    return changes


def _note_coefficients(watched: Candidates, changes: int, c: FloatArray) -> None:
    """Make ``correction`` of the touched entries their coefficient minus P_rj(0) c_j."""
    n_words = len(watched.patterns) // len(watched.positive)
    for place in range(changes):
        k = watched.changed[place]
        j = watched.row[k]
        word = watched.patterns[watched.number[k] * n_words + (j >> 6)]
        active = (word >> np.uint64(j & 63)) & np.uint64(1) == np.uint64(1)
        if active and not watched.starts_active[k]:
            watched.correction[k] += c[j]
        elif watched.starts_active[k] and not active:
            watched.correction[k] -= c[j]


split_off_modes = compiled(_split_off_modes, fastmath=_FLAGS, inner=True)
change_patterns = compiled(_change_patterns, inner=True)
look_at_awake = compiled(_look_at_awake, inner=True)
note_coefficients = compiled(_note_coefficients, inner=True)
run_phase = compiled(_run_phase)
