"""Which pre-activations can change sign during local steps, and which of them can have done so by now.

q_rj can move down by at most down_j and up by at most up_j (`kernel.bound_motion`), so only entries with
-up_j <= q_rj <= down_j need ever be looked at: a share of about 1 / sqrt m. For each of those the part of its motion
that follows the modes, the directions in which residuals are expected, is known from its pattern; the
entry is skipped until that motion and a bound of the rest could bring it to zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...compiled.compilation import compiled
from ...compiled.lookup_sums import FOUR, GROUP, PIECE, SUMS, add_looked_up_fours, tabulate_fours
from ...compiled.masked_sums import LANES, MODES, above, below
from ...compiled.patterns import WORD_BITS, lowest_bit
from ...compiled.vector_code import aligned_zeros

if TYPE_CHECKING:
    from ...core.arrays import BoolArray, FloatArray, IntArray, WordArray


class Near(NamedTuple):
    """Entries close to zero, by rows of the data; those of row j are offsets[j] to offsets[j + 1]."""

    offsets: IntArray  # (n + 1,)
    neurons: IntArray  # int32
    values: FloatArray  # q_rj at the start of the round

    @classmethod
    def empty(cls, n: int, room: int) -> Near:
        """Return memory for ``room`` entries."""
        return cls(np.zeros(n + 1, np.int64), np.empty(room, np.int32), np.empty(room))


class Candidates(NamedTuple):
    """The entries that one subnetwork watches, in groups by rows of the data, each padded to a multiple of eight.

    Neurons with entries are numbered in order of appearance; ``number_of`` holds their numbers, and -1 for the others.
    """

    groups: IntArray  # (n + 1,), where each row's group starts
    number: IntArray  # int32, the number of the entry's neuron, -1 where a group is filled up
    row: IntArray  # int32
    base: FloatArray  # q_rj(t) = base - rate sum_i P_ri c_i G_ij with the current pattern of neuron r
    side: FloatArray  # 1.0 above zero, -1.0 below
    distance: FloatArray  # look when this minus sum_k advance_k slope_k is at most reach_j; NaN: never
    slopes: FloatArray  # for eight entries their slopes along the first mode, then along the second, ...
    correction: FloatArray  # correction + switched c_j is what has to be added to P_rj(0) c_j to get the coefficient
    switched: FloatArray  # 1.0 where the entry has become active, -1.0 silent, 0.0 neither
    touched: BoolArray  # whether the entry's pattern has ever changed
    changed: IntArray  # int32, the touched entries, in the order of events
    first: IntArray  # int32, (neurons + 1,), where each neuron's part of ``entries`` starts
    entries: IntArray  # int32, the entries of each numbered neuron
    awake: IntArray  # int32, scratch: the entries to look at
    crossed: IntArray  # int32, scratch: those that have crossed zero
    crossed_to: FloatArray  # scratch: their q
    neuron: IntArray  # int32, the neuron behind each number
    positive: BoolArray  # whether a_r = 1, by numbers
    patterns: WordArray  # the patterns by numbers, flat, as they change
    number_of: IntArray  # int32, (padded m,)

    @classmethod
    def empty(cls, n: int, padded_width: int, room: int) -> Candidates:
        """Return memory for ``room`` entries of n rows."""
        room += LANES * n
        neurons = min(room, padded_width)
        return cls(
            groups=np.zeros(n + 1, np.int64),
            number=np.empty(room, np.int32),
            row=np.empty(room, np.int32),
            base=np.empty(room),
            side=np.empty(room),
            distance=aligned_zeros((room,), np.float64),
            slopes=aligned_zeros((MODES * room,), np.float64),
            correction=np.empty(room),
            switched=np.empty(room),
            touched=np.empty(room, np.bool_),
            changed=np.empty(room, np.int32),
            first=np.zeros(neurons + 1, np.int32),
            entries=np.empty(room, np.int32),
            awake=np.empty(room + LANES, np.int32),
            crossed=np.empty(room, np.int32),
            crossed_to=np.empty(room),
            neuron=np.empty(neurons, np.int32),
            positive=np.empty(neurons, np.bool_),
            patterns=np.empty(neurons * -(-n // WORD_BITS), np.uint64),
            number_of=np.full(padded_width, -1, np.int32),
        )

    @property
    def room(self) -> int:
        """The number of entries for which there is room."""
        return len(self.base) - LANES * (len(self.groups) - 1)


class SlopeTables(NamedTuple):
    """Scratch of `predict`."""

    tables: FloatArray  # sums of modes times G
    lines: FloatArray  # four numbers for each row of the data: its part in the modes
    sums: FloatArray  # four numbers

    @classmethod
    def empty(cls, n: int) -> SlopeTables:
        """Return memory for n rows."""
        tables = aligned_zeros((-(-n // PIECE) * (PIECE // GROUP) * SUMS * FOUR,), np.float64)
        return cls(tables, aligned_zeros((n + LANES, FOUR), np.float64), aligned_zeros((FOUR,), np.float64))


def _find_near(q: FloatArray, n_blocks: int, width: int, down: FloatArray, up: FloatArray, near: Near) -> int:
    """List the entries with -up_j <= q_rj <= down_j; return how many there are.

    If there are more than fit, they are only counted.
    """
    n = len(down)
    room = len(near.neurons)
    found = 0
    for j in range(n):
        near.offsets[j] = found
        for block in range(n_blocks):
            row = (block * n + j) * width
            for first in range(0, width, LANES):
                outside = above(q, row + first, down[j]) | below(q, row + first, -up[j])
                bits = outside ^ np.uint64(0xFF)
                while bits != np.uint64(0):
                    r = first + lowest_bit(bits)
                    bits &= bits - np.uint64(1)
                    if found < room:
                        near.neurons[found] = block * width + r
                        near.values[found] = q[row + r]
                    found += 1
    near.offsets[n] = found
    return found


def watch(
    near: Near,
    mask: WordArray,
    positive: WordArray,
    by_neuron: WordArray,
    down: FloatArray,
    up: FloatArray,
    watched: Candidates,
) -> int:
    """Take up the near entries of the subnetwork's neurons within its own bounds; return the count of neurons."""
    neurons = take_up(near, mask, positive, by_neuron, down, up, watched)
    stop = watched.groups[-1]
    watched.correction[:stop], watched.switched[:stop], watched.touched[:stop] = 0.0, 0.0, False
    list_by_neurons(watched.number, watched.first, watched.entries, neurons, stop)
    return int(neurons)


def _take_up(
    near: Near,
    mask: WordArray,
    positive: WordArray,
    by_neuron: WordArray,
    down: FloatArray,
    up: FloatArray,
    watched: Candidates,
) -> np.int64:
    """Fill the groups, number the neurons; leave in ``first``, at place i + 1, how many entries neuron number i has."""
    number, neuron, number_of, patterns = watched.number, watched.neuron, watched.number_of, watched.patterns
    base, side, distance, first = watched.base, watched.side, watched.distance, watched.first
    chosen = watched.awake
    n_words = by_neuron.shape[1]
    neurons, k = np.int64(0), np.int64(0)  # plain zeros would have code compiled for the constant 0
    for j in range(len(down)):
        watched.groups[j] = k
        count = np.int64(0)
        for e in range(near.offsets[j], near.offsets[j + 1]):
            r, q = near.neurons[e], near.values[e]
            inside = (q <= down[j]) & (q >= -up[j])
            chosen[count] = e  # overwritten by the next one unless it counts: no branch to mispredict
            count += np.int64(inside) & np.int64((mask[r >> 6] >> np.uint64(r & 63)) & np.uint64(1))
        for place in range(count):
            e = chosen[place]
            r, q = near.neurons[e], near.values[e]
            number_r = number_of[r]
            if number_r < 0:
                number_r = np.int32(neurons)
                neurons += 1
                number_of[r] = number_r
                neuron[number_r] = r
                first[number_r + 1] = 0
                watched.positive[number_r] = (positive[r >> 6] >> np.uint64(r & 63)) & np.uint64(1) != np.uint64(0)
                for w in range(n_words):
                    patterns[number_r * n_words + w] = by_neuron[r, w]
            first[number_r + 1] += 1
            # at zero the neuron is active, which is the upper side if a_r = 1
            higher = (q > 0.0) | ((q == 0.0) & watched.positive[number_r])
            number[k] = number_r
            watched.row[k] = j
            base[k] = q
            side[k] = 1.0 if higher else -1.0
            distance[k] = abs(q)
            k += 1
        while k % LANES != 0:
            distance[k] = np.nan
            number[k] = -1
            k += 1
    watched.groups[len(down)] = k
    for i in range(neurons):  # for the next subnetwork
        number_of[neuron[i]] = -1
    return neurons


def _list_by_neurons(number: IntArray, first: IntArray, entries: IntArray, neurons: int, stop: int) -> None:
    """Fill ``entries``; ``first`` comes with the count of entries of neuron number i at place i + 1."""
    for i in range(neurons):
        first[i + 1] += first[i]
    total = first[neurons]
    for k in range(stop - 1, -1, -1):
        i = number[k]
        if i >= 0:
            first[i + 1] -= 1
            entries[first[i + 1]] = k
    # now place i + 1 holds where neuron number i starts
    for i in range(neurons):
        first[i] = first[i + 1]
    first[neurons] = total


def predict(G: FloatArray, modes: FloatArray, watched: Candidates, memory: SlopeTables) -> None:
    """slope_k = +-sum_i P_ri u_ki G_ij of all entries and modes u_k: how fast a mode brings the entry towards zero."""
    memory.lines[: modes.shape[1], :MODES] = modes.T
    n_words = len(watched.patterns) // len(watched.neuron)
    groups, number, side, patterns = watched.groups, watched.number, watched.side, watched.patterns
    find_slopes(G, groups, number, side, patterns, n_words, *memory, watched.slopes)


def _find_slopes(
    G: FloatArray,
    groups: IntArray,
    number: IntArray,
    side: FloatArray,
    patterns: WordArray,
    n_words: int,
    tables: FloatArray,
    lines: FloatArray,
    sums: FloatArray,
    slopes: FloatArray,
) -> None:
    """Write the slopes; arrays as in `Candidates` and `SlopeTables`."""
    n, padded = G.shape
    pieces = -(-padded // PIECE)
    for j in range(n):
        tabulate_fours(lines, 0, G, j * padded, padded // GROUP, tables)
        for k in range(groups[j], groups[j + 1]):
            if number[k] < 0:
                continue
            for mode in range(FOUR):
                sums[mode] = 0.0
            add_looked_up_fours(sums, 0, side[k], patterns, number[k] * n_words, pieces, tables)
            place = MODES * k - (MODES - 1) * (k & 7)
            for mode in range(MODES):
                slopes[place + LANES * mode] = sums[mode]


find_near = compiled(_find_near)
take_up = compiled(_take_up)
list_by_neurons = compiled(_list_by_neurons)
find_slopes = compiled(_find_slopes)
