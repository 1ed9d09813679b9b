"""Activation patterns as bits, 64 neurons to a word; pairs of rows are counted by AND and popcount.

The pattern of row i is the bit string b_i with b_ir = 1{<w_r, x_i> >= 0}. Bit r % 64 of word r // 64 is neuron r;
bits after the last neuron are 0.

Compiled functions come in pairs, ``_name`` in Python and ``name`` compiled from it, so that the Python one can be
tested and measured alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types

from .compilation import compiled
from .vector_code import compile_as

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray, IntArray, WordArray

WORD_BITS = 64
_WORDS_AT_ONCE = 1024  # 8 KiB of each row: a pair of rows stays in the first-level cache
_ROWS_AT_ONCE = 1024
_ACTIVATIONS_AT_ONCE = 1 << 22  # bounds the scratch memory of `network_patterns`


def popcount(word: Any) -> int:
    """Return the number of ones of a uint64; one processor instruction where compiled."""
    return int(word).bit_count()


def lowest_bit(word: Any) -> int:
    """Return the position of the lowest one of a word that is not 0."""
    word = int(word)
    return (word & -word).bit_length() - 1


compile_as(popcount, types.uint64, (types.uint64,), write=lambda code: code.builder.ctpop(code.args[0]))
compile_as(lowest_bit, types.intp, (types.uint64,), write=lambda code: code.builder.cttz(code.args[0], code.false))


def pack_mask(mask: BoolArray) -> WordArray:
    """Return m bits as words.

    Parameters
    ----------
    mask : ndarray of bool, shape (..., m)

    Returns
    -------
    ndarray of uint64, shape (..., ceil(m / 64))

    Examples
    --------
    >>> pack_mask(np.array([True, False, True]))
    array([5], dtype=uint64)
    """
    bits = np.packbits(mask, axis=-1, bitorder="little")
    n_words = -(-mask.shape[-1] // WORD_BITS)
    words = np.zeros((*mask.shape[:-1], 8 * n_words), dtype=np.uint8)
    words[..., : bits.shape[-1]] = bits
    return words.view("<u8").astype(np.uint64, copy=False)


def pack_patterns(active: BoolArray) -> WordArray:
    """Return the pattern of each row of the data as words.

    Parameters
    ----------
    active : ndarray of bool, shape (m, n)
        1{<w_r, x_i> >= 0}; fastest if its transpose is C-contiguous.

    Returns
    -------
    ndarray of uint64, shape (n, ceil(m / 64))
    """
    return pack_mask(active.T)


def network_patterns(weights: FloatArray, X: FloatArray) -> WordArray:
    """Return `pack_patterns` of 1{<w_r, x_i> >= 0}, in blocks of rows.

    Parameters
    ----------
    weights : ndarray, shape (m, d)
    X : ndarray, shape (n, d)

    Returns
    -------
    ndarray of uint64, shape (n, ceil(m / 64))
    """
    m, n = len(weights), len(X)
    words = np.empty((n, -(-m // WORD_BITS)), dtype=np.uint64)
    step = max(1, _ACTIVATIONS_AT_ONCE // m)
    for start in range(0, n, step):
        words[start : start + step] = pack_mask(X[start : start + step] @ weights.T >= 0)
    return words


def pair_counts(words: WordArray, mask_words: WordArray | None = None) -> IntArray:
    """Return C_ij, the number of neurons of the mask that are active on both row i and row j.

    Parameters
    ----------
    words : ndarray of uint64, shape (n, n_words)
        From `pack_patterns`.
    mask_words : ndarray of uint64, shape (n_words,), optional
        From `pack_mask`; None means all neurons.

    Returns
    -------
    ndarray of int32, shape (n, n)

    Examples
    --------
    >>> active = np.array([[True, True], [True, False], [False, True]])  # three neurons, two rows of data
    >>> pair_counts(pack_patterns(active))
    array([[2, 1],
           [1, 2]], dtype=int32)
    """
    n = len(words)
    selected = words if mask_words is None else words & mask_words
    counts = np.zeros((n, n), dtype=np.int32)
    for start in range(0, words.shape[1], _WORDS_AT_ONCE):
        part = slice(start, start + _WORDS_AT_ONCE)
        add_pair_counts(np.ascontiguousarray(selected[:, part]), counts)
    for start in range(0, n, _ROWS_AT_ONCE):  # the lower triangle, block by block: no second matrix
        rows = slice(start, start + _ROWS_AT_ONCE)
        counts[rows, rows] += np.triu(counts[rows, rows], 1).T
        counts[start + _ROWS_AT_ONCE :, rows] = counts[rows, start + _ROWS_AT_ONCE :].T
    return counts


def _add_pair_counts(words: WordArray, counts: IntArray) -> None:
    """Add popcount(b_i & b_j) to counts[i, j] for i <= j; the words are already masked.

    Taking two rows by two rows at a time halves the loads. If n is odd, the last row is paired with itself.
    """
    n, n_words = words.shape
    for i in range(0, n, 2):
        next_i = i + 1 if i + 1 < n else i
        for j in range(i, n, 2):
            next_j = j + 1 if j + 1 < n else j
            here, right, below, across = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
            for q in range(n_words):
                here += popcount(words[i, q] & words[j, q])
                right += popcount(words[i, q] & words[next_j, q])
                below += popcount(words[next_i, q] & words[j, q])
                across += popcount(words[next_i, q] & words[next_j, q])
            counts[i, j] += np.int32(here)
            if next_j > j:
                counts[i, next_j] += np.int32(right)
            if next_i > i and next_i <= j:
                counts[next_i, j] += np.int32(below)
            if next_i > i and next_j > j:
                counts[next_i, next_j] += np.int32(across)


add_pair_counts = compiled(_add_pair_counts)
