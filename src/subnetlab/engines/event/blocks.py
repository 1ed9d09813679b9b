"""The network on the data, in blocks of neurons: what a round reads and how aggregation changes it.

Neurons stand in blocks of b (a multiple of 64), the last one padded with neurons that no mask selects. A block
has one line for each of the n rows of data, in which its b neurons stand side by side. Stored is q_rj = a_r z_rj, not
z_rj = <w_r, x_j>: a step moves q_rj by -(eta / sqrt m) sum_i P_ri residual_i G_ij whatever the sign a_r, and an
active neuron adds q_rj / sqrt m to the output. The pattern P_rj = 1{z_rj >= 0} is 1{q_rj >= 0} where a_r = 1 and
1{q_rj <= 0} where a_r = -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiled.compilation import compiled
from ...compiled.masked_sums import LANES, above, below, masked_shift, masked_sum
from ...compiled.patterns import WORD_BITS, pack_mask

if TYPE_CHECKING:
    from ...core.arrays import BoolArray, FloatArray, IntArray, WordArray

_WIDEST_BLOCK = 512  # with n = 100 a block of 0.4 MB stays in the second-level cache


@dataclass(frozen=True)
class Layout:
    """How m neurons stand in blocks."""

    m: int
    n: int
    width: int  # b, neurons per block
    n_blocks: int

    @classmethod
    def of(cls, m: int, n: int) -> Layout:
        """Return the layout for m neurons and n rows of data; it depends on nothing else."""
        width = min(_WIDEST_BLOCK, -(-m // WORD_BITS) * WORD_BITS)
        return cls(m, n, width, -(-m // width))

    @property
    def padded(self) -> int:
        """The number of neurons, including the padding of the last block."""
        return self.width * self.n_blocks

    @property
    def words(self) -> int:
        """The number of words that hold a bit for each neuron."""
        return self.padded // WORD_BITS

    def pack(self, masks: BoolArray) -> WordArray:
        """Return one bit per neuron, (p, words) for masks (p, m); no subnetwork holds the padding."""
        packed = np.zeros((len(masks), self.words), np.uint64)
        words = pack_mask(masks)
        packed[:, : words.shape[1]] = words
        return packed

    def block(self, t: int) -> slice:
        """Return which neurons stand in block t."""
        return slice(t * self.width, min((t + 1) * self.width, self.m))


@dataclass
class Patterns:
    """P as bits, by rows of data and by neurons."""

    by_row: WordArray  # (n, words): bit r of row j
    by_neuron: WordArray  # (padded, ceil(n / 64)): bit j of neuron r

    @classmethod
    def empty(cls, layout: Layout) -> Patterns:
        """Return memory for the patterns."""
        by_neuron = np.zeros((layout.padded, -(-layout.n // WORD_BITS)), np.uint64)
        return cls(np.zeros((layout.n, layout.words), np.uint64), by_neuron)


def _find_patterns(q: FloatArray, first: int, n: int, positive: WordArray, by_row: WordArray, first_word: int) -> None:
    """Write the patterns of one block by rows; q is the flat block store, first the block's place in it.

    NaN counts as active, so that it reaches the outputs.
    """
    n_words = len(positive)
    for j in range(n):
        row = first + j * n_words * WORD_BITS
        for w in range(n_words):
            negative, greater = np.uint64(0), np.uint64(0)
            for e in range(LANES):
                place = row + w * WORD_BITS + e * LANES
                shift = np.uint64(e * LANES)
                negative |= below(q, place, 0.0) << shift
                greater |= above(q, place, 0.0) << shift
            by_row[j, first_word + w] = (~negative & positive[w]) | (~greater & ~positive[w])


def transpose_patterns(patterns: Patterns, first_word: int, n_words: int) -> None:
    """Write the patterns of some words by neurons."""
    transpose_bits(patterns.by_row, first_word, n_words, patterns.by_neuron, np.empty(WORD_BITS, np.uint64))


def _transpose_bits(by_row: WordArray, first_word: int, n_words: int, by_neuron: WordArray, square: WordArray) -> None:
    """Transpose 64 x 64 bits at a time by exchanging ever smaller squares; ``square`` is scratch of 64 words."""
    n = by_row.shape[0]
    for w in range(first_word, first_word + n_words):
        for v in range(by_neuron.shape[1]):
            for k in range(WORD_BITS):
                j = v * WORD_BITS + k
                square[k] = by_row[j, w] if j < n else np.uint64(0)
            side, mask = 32, np.uint64(0x00000000FFFFFFFF)
            while side > 0:
                shift = np.uint64(side)
                for k in range(WORD_BITS):
                    if k & side == 0:
                        moved = ((square[k] >> shift) ^ square[k + side]) & mask
                        square[k] ^= moved << shift
                        square[k + side] ^= moved
                side >>= 1
                mask ^= mask << np.uint64(side)
            for k in range(WORD_BITS):
                by_neuron[w * WORD_BITS + k, v] = square[k]


def _sum_outputs(
    q: FloatArray, first: int, by_row: WordArray, first_word: int, n_words: int, masks: WordArray, sums: FloatArray
) -> None:
    """sums[l, j] = sum over the block's neurons r of m^l_r P_rj q_rj; masks are flat, p times all words."""
    p, n = sums.shape
    words = by_row.shape[1]
    for j in range(n):
        for l in range(p):
            sums[l, j] = masked_sum(
                by_row,
                j * words + first_word,
                masks,
                l * words + first_word,
                q,
                first + j * n_words * WORD_BITS,
                n_words * LANES,
            )


def _combine(
    by_row: WordArray,
    first_word: int,
    n_words: int,
    masks: WordArray,
    accumulated: FloatArray,
    aggregation: FloatArray,
    B: FloatArray,
) -> None:
    """B_jr = eta_r P_rj sum_l m^l_r c^l_j for one block: the coefficients as if no pattern had changed."""
    p = accumulated.shape[0]
    n, b = B.shape
    words = by_row.shape[1]
    for j in range(n):
        for r in range(b):
            B[j, r] = 0.0
        for l in range(p):
            masked_shift(
                by_row,
                j * words + first_word,
                masks,
                l * words + first_word,
                accumulated[l, j],
                B,
                j * b,
                n_words * LANES,
            )
        for r in range(b):
            B[j, r] *= aggregation[r]


def correct(B: FloatArray, aggregation: FloatArray, neurons: IntArray, rows: IntArray, values: FloatArray) -> None:
    """Add eta_r times what pattern changes added to coefficients; neurons count from the block's first."""
    np.add.at(B.reshape(-1), rows * np.intp(B.shape[1]) + neurons, aggregation[neurons] * values)


find_patterns = compiled(_find_patterns)
transpose_bits = compiled(_transpose_bits)
sum_outputs = compiled(_sum_outputs)
combine = compiled(_combine)
