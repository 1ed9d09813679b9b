"""Every random draw of the package, as a pure function of (seed, purpose, round, position).

Draws come from Philox4x64-10, a counter-based generator: the key is (seed, purpose), the counter of a block
is (block + 1, lane, round, group) (NumPy counts up before it draws), and each block holds four 64-bit words. Any
block can be computed alone, so any round, subnetwork or neuron can be drawn on any machine, in any order,
with the same bits.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .arrays import FloatArray, IntArray, WordArray

WORDS_PER_BLOCK = 4
_NORMALS_AT_ONCE = 1 << 17  # of `standard_normals`: its scratch memory stays in the cache


class Purpose(IntEnum):
    """What a stream of random words is for. Values are part of every result: never renumber."""

    MASKS = 1
    WEIGHTS = 2
    SIGNS = 3
    SHARDS = 4
    BATCHES = 5
    DATA_ROWS = 6
    SYNTHETIC_DATA = 7
    SESSIONS = 8  # one after another, of an estimator that goes on training
    PREDICTION = 9  # masks of subnetworks that are asked after training
    START_VECTORS = 10  # of iterations that look for an eigenvector
    PASSES = 11  # the order of the rows in each pass of a module's training
    MODULE_STEPS = 12  # seeds of what is random inside a module's steps
    NEURON_NOISE = 13  # of the neurons that a prediction follows
    NEURON_CHOICES = 14  # how often each of them is selected
    EXAMPLES = 15  # data on which statements of the paper are checked
    VERIFICATION = 16  # masks under which a cut is checked


def blocks_for(words: int) -> int:
    """Return the number of whole blocks that hold ``words`` words."""
    return -(-words // WORDS_PER_BLOCK)


def random_words(
    seed: int, purpose: Purpose, round: int, first_block: int, n_blocks: int, *, lane: int = 0, group: int = 0
) -> WordArray:
    """Return the words of ``n_blocks`` consecutive blocks.

    Parameters
    ----------
    seed : int
        In [0, 2**64).
    purpose : Purpose
        Which stream.
    round : int
        The round, or 0 for draws that belong to none.
    first_block, n_blocks : int
        Which blocks of the stream.
    lane : int, default 0
        Lanes are streams beside each other, for draws whose lengths differ.
    group : int, default 0
        The number of the group of units that the words are for; the shallow network is group 0.

    Returns
    -------
    ndarray of uint64, shape (4 * n_blocks,)

    Examples
    --------
    >>> whole = random_words(7, Purpose.MASKS, 3, 0, 10)
    >>> bool((whole[8:12] == random_words(7, Purpose.MASKS, 3, 2, 1)).all())
    True
    """
    key = np.array([seed, int(purpose)], dtype=np.uint64)
    counter = np.array([first_block, lane, round, group], dtype=np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(WORDS_PER_BLOCK * n_blocks)


def rows_of_words(
    seed: int, purpose: Purpose, round: int, first_row: int, n_rows: int, columns: int, *, group: int = 0
) -> WordArray:
    """Return rows of words, each row starting at a block of its own.

    Row i of the stream is the same whether it is drawn alone or among others.

    Returns
    -------
    ndarray of uint64, shape (n_rows, columns)
    """
    blocks = blocks_for(columns)
    words = random_words(seed, purpose, round, first_row * blocks, n_rows * blocks, group=group)
    return words.reshape(n_rows, blocks * WORDS_PER_BLOCK)[:, :columns]


def uniforms(words: WordArray) -> FloatArray:
    """Return the words as float64 in [0, 1), multiples of 2**-53."""
    return (words >> np.uint64(11)) * 2.0**-53


def standard_normals(
    seed: int, purpose: Purpose, first_row: int, n_rows: int, columns: int, *, round: int = 0
) -> FloatArray:
    """Return standard normal numbers, row i depending on (seed, purpose, round, i) only (Box and Muller).

    Returns
    -------
    ndarray of float64, shape (n_rows, columns)
    """
    normals = np.empty((n_rows, columns))
    pairs = -(-columns // 2)
    step = max(1, _NORMALS_AT_ONCE // max(1, columns))
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        words = rows_of_words(seed, purpose, round, first_row + start, stop - start, 2 * pairs)
        u = np.ascontiguousarray(uniforms(words[:, :pairs]))
        angle = np.ascontiguousarray(uniforms(words[:, pairs:])) * (2.0 * np.pi)
        radius = np.sqrt(-2.0 * np.log(1.0 - u))  # 1 - u is in (0, 1]
        normals[start:stop, :pairs] = radius * np.cos(angle)
        normals[start:stop, pairs:] = (radius * np.sin(angle))[:, : columns - pairs]
    return normals


def single_normals(seed: int, purpose: Purpose, n_rows: int, columns: int, *, round: int = 0) -> FloatArray:
    """Return standard normal numbers in single precision, four times as fast as `standard_normals`.

    A word makes two of them: its upper 24 bits give the radius, its lower 24 the angle, so that none is above 5.77. A
    row depends on the number of columns; that is enough for noise.

    Returns
    -------
    ndarray of float32, shape (n_rows, columns)
    """
    pairs = -(-n_rows * columns // 2)
    words = random_words(seed, purpose, round, 0, blocks_for(pairs))[:pairs]
    normals = np.empty((pairs, 2), dtype=np.float32)
    for start in range(0, pairs, _NORMALS_AT_ONCE):
        some = words[start : start + _NORMALS_AT_ONCE]
        u = 1 - (some >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)  # in (0, 1]
        angle = (some & np.uint64(2**24 - 1)).astype(np.float32) * np.float32(2.0**-23 * np.pi)
        radius = np.sqrt(np.float32(-2) * np.log(u))
        both = normals[start : start + _NORMALS_AT_ONCE]
        both[:, 0], both[:, 1] = radius * np.cos(angle), radius * np.sin(angle)
    return normals.reshape(-1)[: n_rows * columns].reshape(n_rows, columns)


def permutation(seed: int, purpose: Purpose, round: int, index: int, n: int) -> IntArray:
    """Return a uniformly random order of ``range(n)``: the order of n random words.

    Two equal words (probability below n**2 / 2**65) keep their natural order.
    """
    words = random_words(seed, purpose, round, 0, blocks_for(n), lane=index)[:n]
    return np.argsort(words, kind="stable")


def random_subset(seed: int, purpose: Purpose, round: int, index: int, n: int, size: int) -> IntArray:
    """Return the first ``size`` of `permutation`, in ascending order, without sorting the others.

    Parameters
    ----------
    size : int
        In [1, n].

    Examples
    --------
    >>> order = permutation(0, Purpose.BATCHES, 1, 2, 50)
    >>> bool((np.sort(order[:7]) == random_subset(0, Purpose.BATCHES, 1, 2, 50, 7)).all())
    True
    """
    words = random_words(seed, purpose, round, 0, blocks_for(n), lane=index)[:n]
    largest = np.partition(words, size - 1)[size - 1]
    chosen = words < largest
    ties = np.flatnonzero(words == largest)
    chosen[ties[: size - np.count_nonzero(chosen)]] = True
    return np.flatnonzero(chosen)
