"""The compiled passes of the look-up engine over a subnetwork's pre-activations.

A store of m neurons and n rows of data is an array (lines, m, width): line b holds the rows from b * width on, the
same line of successive neurons side by side. Patterns are words (ceil(n / 64), m): bit i % 64 of word (i // 64, r)
is P_ri = 1{z_ri >= 0}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiled.compilation import compiled
from ...compiled.lookup_sums import GROUP, PIECE, add_active, add_looked_up, tabulate
from ...compiled.patterns import WORD_BITS, lowest_bit
from ...compiled.vector_code import VECTOR_BYTES

if TYPE_CHECKING:
    from ...core.arrays import FloatArray, IntArray, WordArray

_SUMMED_ALONE = 256  # neurons whose outputs are added in the store's precision before they go into float64


def _observe(
    Z: FloatArray,
    a: FloatArray,
    count: int,
    words: WordArray,
    first_time: bool,
    c: FloatArray,
    D: FloatArray,
    block: FloatArray,
    outputs: FloatArray,
    first_word: int,
    last_word: int,
) -> None:
    """Find the outputs sum_r a_r max(z_ri, 0) and the patterns of the first ``count`` neurons; note what changed.

    With c_i the sum of the driving residuals so far, the coefficient sum_t P_ri(t) residual_i(t) is P_ri c_i + D_ri if
    D_ri loses c_i where the pattern switches on and gains it where it switches off. ``block`` is scratch of 64 numbers;
    outputs beyond n come out as zero.
    """
    lines, m = Z.shape[:2]
    width = VECTOR_BYTES // Z.itemsize  # known to the compiler, unlike the shape
    per_word = WORD_BITS // width
    for w in range(first_word, last_word):
        first_line = w * per_word
        last_line = min(first_line + per_word, lines)
        outputs[w * WORD_BITS : (w + 1) * WORD_BITS] = 0.0
        for start in range(0, count, _SUMMED_ALONE):
            block[:] = 0.0
            for r in range(start, min(start + _SUMMED_ALONE, count)):
                now = np.uint64(0)
                for b in range(first_line, last_line):
                    e = (b - first_line) * width
                    now |= add_active(Z, (b * m + r) * width, a[r], block, e) << np.uint64(e)
                changed = np.uint64(0) if first_time else now ^ words[w, r]
                words[w, r] = now
                while changed != np.uint64(0):
                    e = lowest_bit(changed)
                    changed &= changed - np.uint64(1)
                    on = (now >> np.uint64(e)) & np.uint64(1) != np.uint64(0)
                    i = w * WORD_BITS + e
                    D[i // width, r, e % width] += -c[i] if on else c[i]
            for e in range(WORD_BITS):
                outputs[w * WORD_BITS + e] += block[e]


def _step(
    Z: FloatArray,
    G: FloatArray,
    words: WordArray,
    factors: FloatArray,
    count: int,
    driving: FloatArray,
    tables: FloatArray,
    first_line: int,
    last_line: int,
) -> None:
    """z_r += factor_r sum_i P_ri driving_i G_i for the first ``count`` neurons, in some of the lines.

    For 64 rows i at a time the sums over four of them are tabulated for all 16 patterns; a neuron adds up the entries
    that its pattern names: 16 additions in place of 64 multiplications and additions. ``G`` is a store of the rows
    with a whole number of pieces, zero behind n; ``driving`` is as long as the words have bits.
    """
    m, width = Z.shape[1], VECTOR_BYTES // Z.itemsize
    rows = G.shape[1]
    for b in range(first_line, last_line):
        for first_row in range(0, rows, WORD_BITS):
            pieces = min(rows - first_row, WORD_BITS) // PIECE
            tabulate(G, (b * rows + first_row) * width, driving, first_row, pieces * PIECE // GROUP, tables)
            word = first_row // WORD_BITS * m
            for r in range(count):
                add_looked_up(Z, (b * m + r) * width, factors[r], words, word + r, pieces, tables)


def _gather(Z: FloatArray, chosen: IntArray, Z_l: FloatArray, D: FloatArray, first_line: int, last_line: int) -> None:
    """Copy the chosen neurons to the front of Z_l; D is set to zero there."""
    width = VECTOR_BYTES // Z.itemsize
    for b in range(first_line, last_line):
        for k in range(len(chosen)):
            for e in range(width):
                Z_l[b, k, e] = Z[b, chosen[k], e]
                D[b, k, e] = 0


def _collect(
    Z: FloatArray,
    chosen: IntArray,
    Z_l: FloatArray,
    words: WordArray,
    c: FloatArray,
    D: FloatArray,
    moved: FloatArray,
    coefficients: FloatArray,
    first_line: int,
    last_line: int,
) -> None:
    """Add the subnetwork's movement Z_l - Z and its coefficients P_ri c_i + D_ri to the sums over subnetworks."""
    width = VECTOR_BYTES // Z.itemsize
    for b in range(first_line, last_line):
        first = b * width
        w, shift = first // WORD_BITS, np.uint64(first % WORD_BITS)
        for k in range(len(chosen)):
            r = chosen[k]
            bits = words[w, k] >> shift
            for e in range(width):
                moved[b, r, e] += Z_l[b, k, e] - Z[b, r, e]
                coefficient = D[b, k, e]
                if (bits >> np.uint64(e)) & np.uint64(1) != np.uint64(0):
                    coefficient += c[first + e]
                coefficients[b, r, e] += coefficient


observe = compiled(_observe)
step = compiled(_step)
gather = compiled(_gather)
collect = compiled(_collect)
