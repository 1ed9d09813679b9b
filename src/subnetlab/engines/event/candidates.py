"""Which pre-activations can change sign during local steps, and which of them can have done so by now.

q_rj can move down by at most down_j and up by at most up_j (`kernel.bound_motion`), so only entries with
-up_j <= q_rj <= down_j need ever be looked at: a share of about 1 / sqrt m. For each of those the part of its motion
that follows the modes, the directions in which residuals are expected, is known from its pattern; it sleeps until
that and a bound of the rest could bring it to zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...kernels.compilation import compiled
from ...kernels.patterns import WORD_BITS, lowest_bit
from ...kernels.vector_code import aligned_zeros
from ..lines import FOUR, GROUP, PIECE, SUMS, add_looked_up_fours, tabulate_fours
from .lanes import LANES, MODES, above, below

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

    Neurons that have entries are numbered as they come; ``number_of`` holds their numbers, -1 for the others.
    """

    groups: IntArray  # (n + 1,), where each row's group starts
    number: IntArray  # int32, the number of the entry's neuron
    row: IntArray  # int32
    base: FloatArray  # q_rj(t) = base - rate sum_i P_ri c_i G_ij with the current pattern of neuron r
    side: FloatArray  # 1.0 above zero, -1.0 below
    distance: FloatArray  # look when this minus sum_k advance_k slope_k is at most reach_j; NaN: never
    slopes: FloatArray  # for eight entries their slopes along the first mode, then along the second, ...
    correction: FloatArray  # what has to be added to P_rj(0) c_j to get the entry's coefficient, so far
    starts_active: BoolArray
    touched: BoolArray  # whether the entry's pattern has ever changed
    changed: IntArray  # int32, the touched entries, in the order of events
    first: IntArray  # int32, (neurons + 1,), where each neuron's part of ``entries`` starts
    entries: IntArray  # int32, the entries of each numbered neuron
    tables: FloatArray  # scratch of `predict`: sums of modes times G
    lines: FloatArray  # scratch of `predict`, four numbers for each row of the data: its part in the modes
    sums: FloatArray  # scratch of `predict`, four numbers
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
            starts_active=np.empty(room, np.bool_),
            touched=np.empty(room, np.bool_),
            changed=np.empty(room, np.int32),
            first=np.zeros(neurons + 1, np.int32),
            entries=np.empty(room, np.int32),
            tables=aligned_zeros((-(-n // PIECE) * (PIECE // GROUP) * SUMS * FOUR,), np.float64),
            lines=aligned_zeros(((n + LANES) * FOUR,), np.float64),
            sums=aligned_zeros((FOUR,), np.float64),
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
        """The number of entries that fit."""
        return len(self.base) - LANES * (len(self.groups) - 1)


def _find_near(q: FloatArray, n_blocks: int, width: int, down: FloatArray, up: FloatArray, near: Near) -> int:
    """List the entries with -up_j <= q_rj <= down_j; return how many there are.

    Where there are more than fit, they are only counted.
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


def _select(near: Near, j: int, mask: WordArray, down: float, up: float, chosen: IntArray) -> int:
    """List the near entries of row j that belong to the mask and lie within the bounds; return their count."""
    count = 0
    start, stop = near.offsets[j], near.offsets[j + 1]
    for e in range(start, stop):
        r, q = near.neurons[e], near.values[e]
        inside = (q <= down) & (q >= -up)
        chosen[count] = e  # overwritten by the next one unless it counts: no branch to mispredict
        count += int(inside) & int((mask[r >> 6] >> np.uint64(r & 63)) & np.uint64(1))
    return count


def _watch(
    near: Near,
    mask: WordArray,
    positive: WordArray,
    by_neuron: WordArray,
    down: FloatArray,
    up: FloatArray,
    watched: Candidates,
) -> int:
    """Take up the near entries of the subnetwork's neurons within its own bounds; return the count of neurons."""
    n = len(down)
    n_words = by_neuron.shape[1]
    neurons, k = np.int64(0), np.int64(0)  # plain zeros would have code compiled for the constant 0
    for j in range(n):
        watched.groups[j] = k
        for chosen in range(select(near, j, mask, down[j], up[j], watched.awake)):
            e = watched.awake[chosen]
            r = near.neurons[e]
            number = watched.number_of[r]
            if number < 0:
                number = np.int32(neurons)
                neurons += 1
                watched.number_of[r] = number
                watched.neuron[number] = r
                watched.first[number + 1] = 0
                watched.positive[number] = (positive[r >> 6] >> np.uint64(r & 63)) & np.uint64(1) == np.uint64(1)
                for w in range(n_words):
                    watched.patterns[number * n_words + w] = by_neuron[r, w]
            active = (by_neuron[r, j >> 6] >> np.uint64(j & 63)) & np.uint64(1) == np.uint64(1)
            q = near.values[e]
            watched.number[k] = number
            watched.row[k] = j
            watched.base[k] = q
            watched.correction[k] = 0.0
            watched.starts_active[k] = active
            watched.touched[k] = False
            watched.first[number + 1] += 1
            # an active entry of a positive neuron lies above zero, and so does a silent one of a negative neuron
            higher = active == watched.positive[number]
            watched.side[k] = 1.0 if higher else -1.0
            watched.distance[k] = watched.side[k] * q
            k += 1
        while k % LANES != 0:
            watched.distance[k] = np.nan
            watched.number[k] = -1
            k += 1
    watched.groups[n] = k
    list_by_neurons(watched, neurons, k)
    for number in range(neurons):  # for the next subnetwork
        watched.number_of[watched.neuron[number]] = -1
    return int(neurons)


def _predict(G: FloatArray, modes: FloatArray, watched: Candidates) -> None:
    """slope_k = +-sum_i P_ri u_ki G_ij of all entries and modes u_k: how fast a mode brings the entry towards zero."""
    n, padded = G.shape
    n_words = len(watched.patterns) // len(watched.positive)
    flat_G, pieces = G.reshape(-1), -(-padded // PIECE)
    for i in range(padded):
        for mode in range(MODES):
            watched.lines[i * FOUR + mode] = modes[mode, i]
    for j in range(n):
        tabulate_fours(watched.lines, 0, flat_G, j * padded, padded // GROUP, watched.tables)
        for k in range(watched.groups[j], watched.groups[j + 1]):
            number = watched.number[k]
            if number < 0:
                continue
            watched.sums[:] = 0.0
            add_looked_up_fours(
                watched.sums, 0, watched.side[k], watched.patterns, number * n_words, pieces, watched.tables
            )
            place = MODES * k - (MODES - 1) * (k & 7)
            for mode in range(MODES):
                watched.slopes[place + LANES * mode] = watched.sums[mode]


def _do_not_predict(modes: FloatArray, watched: Candidates) -> None:
    """Make modes and slopes zero: all motion counts as the rest that is only bounded."""
    for mode in range(MODES):
        for i in range(modes.shape[1]):
            modes[mode, i] = 0.0
    for place in range(MODES * watched.groups[-1]):
        watched.slopes[place] = 0.0


def _list_by_neurons(watched: Candidates, neurons: int, stop: int) -> None:
    """Fill ``entries``; ``first`` comes with the count of entries of neuron number i at place i + 1."""
    first = watched.first
    for number in range(neurons):
        first[number + 1] += first[number]
    total = first[neurons]
    for k in range(stop - 1, -1, -1):
        number = watched.number[k]
        if number >= 0:
            first[number + 1] -= 1
            watched.entries[first[number + 1]] = k
    # now place i + 1 holds where neuron number i starts
    for number in range(neurons):
        first[number] = first[number + 1]
    first[neurons] = total


find_near = compiled(_find_near)
select = compiled(_select, inner=True)
list_by_neurons = compiled(_list_by_neurons, inner=True)
watch = compiled(_watch)
do_not_predict = compiled(_do_not_predict, inner=True)
predict = compiled(_predict, inner=True)
