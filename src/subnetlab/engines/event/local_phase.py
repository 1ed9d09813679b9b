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

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...compiled.compilation import compiled
from ...compiled.masked_sums import LANES, MODES, masked_axpy, masked_total, within_reach
from ...compiled.patterns import popcount
from ...compiled.vector_code import aligned_zeros
from ...core.arrays import UNIT_ROUNDOFF
from .candidates import predict
from .kernel import multiply, weighted_square, widen

if TYPE_CHECKING:
    from ...core.arrays import FloatArray
    from .candidates import Candidates, SlopeTables
    from .kernel import GramMatrix

# an event changes the slopes of all entries of its neuron: where they are more, that costs more than looks do
_MOST_PREDICTED = 48
_ROUNDING = 16 * UNIT_ROUNDOFF  # of predictions, relative to the terms added up
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


def find_modes(driving: FloatArray) -> FloatArray:
    """Return orthonormal bases of a few vectors each, both (..., MODES, padded); nothing depends on how exactly."""
    with np.errstate(over="ignore", invalid="ignore"):  # a guess that diverges
        basis = np.linalg.qr(driving.swapaxes(-2, -1)).Q
    usable = np.isfinite(basis).all(axis=(-2, -1), keepdims=True)
    return np.ascontiguousarray(np.where(usable, basis, 0.0).swapaxes(-2, -1))


class Phase(NamedTuple):
    """What one local phase works on; T, the watched entries, the vectors and the errors change as the steps go."""

    gram: GramMatrix
    T: FloatArray
    watched: Candidates
    neurons: int  # that have watched entries
    vectors: PhaseVectors  # the steps begin at vectors.residual
    tables: SlopeTables
    seen: FloatArray  # (tau, padded)
    sample_weight: FloatArray
    modes: FloatArray
    step_size: float
    m: int
    most: FloatArray  # (n,), how far entries of a row can move, both directions together
    errors: FloatArray  # (tau + 1,)


def run_phase(phase: Phase) -> int:
    """Run all steps of a phase.

    Returns
    -------
    int
        The number of entries whose pattern has changed at some time, the first ones of ``watched.changed``. All is
        right if `kernel.bound_motion` of what c and travel have become is within the bounds by which entries were
        chosen: those that are not watched cannot have moved through zero then.
    """
    modes, predicted = begin_phase(phase)
    return run_steps(phase, modes, predicted, 0, len(phase.seen), phase.most)


def begin_phase(phase: Phase) -> tuple[FloatArray, bool]:
    """Clear the sums and predict the entries; return the modes to follow and whether entries have slopes."""
    watched, vectors, modes = phase.watched, phase.vectors, phase.modes
    for sums in (vectors.c, vectors.travel, vectors.grown, vectors.advance):
        sums[:] = 0.0
    predicted = bool(watched.groups[-1] <= _MOST_PREDICTED * phase.neurons)
    if predicted:
        predict(phase.gram.values, modes, watched, phase.tables)
        return modes, True
    watched.slopes[: MODES * watched.groups[-1]] = 0.0  # all motion counts as the rest that is only bounded
    return np.zeros_like(modes), False


def run_steps(phase: Phase, modes: FloatArray, predicted: bool, first: int, last: int, most: FloatArray) -> int:
    """Run steps first, ..., last - 1 of a phase that `begin_phase` has begun.

    Parameters
    ----------
    modes : ndarray
    predicted : bool
        What `begin_phase` returned.
    first, last : int
    most : ndarray, shape (n,)
        ``phase.most``, or more where earlier steps count as well.

    Returns
    -------
    int
        The number of entries whose pattern these steps were the first to change.
    """
    rounding = _ROUNDING * (len(phase.most) + len(phase.seen))
    changes = take_steps(
        phase.gram.values,
        phase.gram.sizes,
        phase.T,
        phase.watched,
        phase.vectors,
        phase.seen[first:last],
        phase.sample_weight,
        modes,
        predicted,
        phase.step_size,
        phase.m,
        rounding * phase.gram.norms,
        rounding * most,
        phase.errors[first : last + 1],
    )
    return int(changes)


def _take_steps(
    G: FloatArray,
    sizes: FloatArray,
    T: FloatArray,
    watched: Candidates,
    vectors: PhaseVectors,
    seen: FloatArray,
    sample_weight: FloatArray,
    modes: FloatArray,
    predicted: bool,
    step_size: float,
    m: int,
    rounding_of_modes: FloatArray,
    rounding_of_rest: FloatArray,
    errors: FloatArray,
) -> np.int64:
    """Take the steps of `run_steps`; return its result."""
    rate = step_size / math.sqrt(m)
    residual, driving, product = vectors.residual, vectors.driving, vectors.product
    c, travel, rest = vectors.c, vectors.travel, vectors.rest
    grown, reach, advance = vectors.grown, vectors.reach, vectors.advance
    changes, spread = np.int64(0), 0.0
    for t in range(len(seen)):
        errors[t] = weighted_square(residual, sample_weight)
        for i in range(len(residual)):
            driving[i] = seen[t, i] * residual[i]
            c[i] += driving[i]
            travel[i] += abs(driving[i])
        multiply(T, driving, product)
        for i in range(len(residual)):
            residual[i] -= step_size * product[i]
        spread += rate * split_off_modes(driving, modes, rate, advance, rest)
        widen(G, sizes, rest, rate, grown)
        for j in range(len(reach)):
            reach[j] = grown[j] + spread * rounding_of_modes[j] + rounding_of_rest[j]
        events = look_at_awake(G, watched, reach, grown, advance, c, product, rate)
        changes = change_patterns(G, T, watched, residual, c, advance, modes, predicted, rate, m, events, changes)
    errors[len(seen)] = weighted_square(residual, sample_weight)
    return changes


def _split_off_modes(
    driving: FloatArray, modes: FloatArray, rate: float, advance: FloatArray, rest: FloatArray
) -> float:
    """Take the parts along the modes off what drives a step, add them to advance; return the length of all of it."""
    square = 0.0
    for i in range(len(driving)):
        rest[i] = driving[i]
        square += driving[i] * driving[i]
    for k in range(len(modes)):  # MODES would have three copies of the loops compiled
        along = 0.0
        for i in range(len(driving)):
            along += modes[k, i] * driving[i]
        advance[k] += rate * along
        for i in range(len(driving)):
            rest[i] -= along * modes[k, i]
    return math.sqrt(square)


def _look_at_awake(
    G: FloatArray,
    watched: Candidates,
    reach: FloatArray,
    grown: FloatArray,
    advance: FloatArray,
    c: FloatArray,
    terms: FloatArray,
    rate: float,
) -> np.int64:
    """Compute the entries that may have crossed zero, put them to sleep again, list those that have; return how many.

    The listed entries stand in ``watched.crossed``, their q in ``watched.crossed_to``; no pattern changes yet.
    ``terms`` is scratch.
    """
    number, side, patterns, positive = watched.number, watched.side, watched.patterns, watched.positive
    groups, distance, slopes, awake = watched.groups, watched.distance, watched.slopes, watched.awake
    n, padded = G.shape
    n_words = len(patterns) // len(positive)
    found = np.int64(0)
    for j in range(n):
        count = 0
        for first in range(groups[j], groups[j + 1], LANES):
            bits = within_reach(distance, first, slopes, advance, reach[j])
            if bits != np.uint64(0):
                for lane in range(LANES):  # all eight are written, the next block overwrites those that are too many
                    awake[count + lane] = first + _SET_BITS[bits, lane]
                count += popcount(bits)
        if count == 0:
            continue
        for i in range(padded):
            terms[i] = rate * c[i] * G[j, i]
        word, bit = j >> 6, np.uint64(j & 63)
        for place in range(count):  # without branches that depend on the numbers
            k = awake[place]
            pattern = number[k] * n_words
            q = watched.base[k] - masked_total(patterns, pattern, terms, 0, padded // LANES)
            upward = positive[number[k]]
            active = (upward & (q >= 0.0)) | ((not upward) & (q <= 0.0))
            was_active = (patterns[pattern + word] >> bit) & np.uint64(1) != np.uint64(0)
            higher = active == upward
            now = 1.0 if higher else -1.0
            away = now * q + grown[j]
            slope = MODES * k - (MODES - 1) * (k & 7)
            for mode in range(MODES):
                slopes[slope] *= now * side[k]
                away += advance[mode] * slopes[slope]
                slope += LANES
            side[k] = now
            distance[k] = away
            watched.crossed[found] = k  # overwritten by the next one unless it counts
            watched.crossed_to[found] = q
            found += np.int64(active != was_active)
    return found


def _change_patterns(
    G: FloatArray,
    T: FloatArray,
    watched: Candidates,
    residual: FloatArray,
    c: FloatArray,
    advance: FloatArray,
    modes: FloatArray,
    predicted: bool,
    rate: float,
    m: int,
    events: np.int64,
    changes: np.int64,
) -> np.int64:
    """Switch the crossed entries on or off, one after the other; return the count of entries ever touched.

    One call for all events of a step: a call with so many arrays costs more than an event.
    """
    row, base, side, patterns = watched.row, watched.base, watched.side, watched.patterns
    distance, slopes, first, entries = watched.distance, watched.slopes, watched.first, watched.entries
    padded = G.shape[1]
    n_words = len(patterns) // len(watched.positive)
    per_root_m, per_m = 1.0 / math.sqrt(m), 1.0 / m
    for event in range(events):
        k, q = watched.crossed[event], watched.crossed_to[event]
        j, number = row[k], watched.number[k]
        pattern = number * n_words
        word, bit = pattern + (j >> 6), np.uint64(1) << np.uint64(j & 63)
        on = patterns[word] & bit == np.uint64(0)
        sign = 1.0 if on else -1.0
        residual[j] += sign * q * per_root_m
        # row j of K gains or loses the terms of this neuron with all its active rows, j itself among them
        patterns[word] |= bit
        change = sign * per_m
        masked_axpy(patterns, pattern, change, G, j * padded, T, j * padded, padded // LANES)
        T[j, j] -= 0.5 * change * G[j, j]  # T + T' holds the diagonal twice
        if not on:
            patterns[word] ^= bit
        watched.correction[k] -= sign * c[j]
        watched.switched[k] += sign
        shift = rate * c[j]
        moved = 0.0  # by the modes so far, per G_ij
        for mode in range(MODES):
            moved += advance[mode] * modes[mode, j]
        for place in range(first[number], first[number + 1]):
            other = entries[place]
            term = sign * G[j, row[other]]
            base[other] += shift * term
            if not predicted:
                continue
            term *= side[other]
            distance[other] += moved * term
            slope = MODES * other - (MODES - 1) * (other & 7)
            for mode in range(MODES):
                slopes[slope] += modes[mode, j] * term
                slope += LANES
        watched.changed[changes] = k  # overwritten by the next one if it is not new
        changes += np.int64(not watched.touched[k])
        watched.touched[k] = True
    return changes


split_off_modes = compiled(_split_off_modes, fastmath=_FLAGS, inner=True)
change_patterns = compiled(_change_patterns, inner=True)
look_at_awake = compiled(_look_at_awake, inner=True)
take_steps = compiled(_take_steps)
