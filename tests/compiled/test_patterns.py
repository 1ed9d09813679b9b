"""Packed activation patterns against plain integer matrix products."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from subnetlab.compiled import patterns


def counts_by_product(active, mask):
    return (active & mask[:, np.newaxis]).T.astype(int) @ active.astype(int)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(m=st.integers(1, 200), n=st.integers(1, 9), seed=st.integers(0, 99))
def test_counts_are_the_integer_product(m, n, seed):
    rng = np.random.default_rng(seed)
    active, mask = rng.random((m, n)) < 0.5, rng.random(m) < 0.6
    words = patterns.pack_patterns(active)
    assert words.shape == (n, -(-m // 64))
    np.testing.assert_array_equal(
        patterns.pair_counts(words, patterns.pack_mask(mask)), counts_by_product(active, mask)
    )
    np.testing.assert_array_equal(patterns.pair_counts(words), counts_by_product(active, np.ones(m, dtype=bool)))


def test_counts_add_up_over_blocks_of_words(monkeypatch):
    active = np.random.default_rng(0).random((700, 5)) < 0.5
    words = patterns.pack_patterns(active)
    whole = patterns.pair_counts(words)
    monkeypatch.setattr(patterns, "_WORDS_AT_ONCE", 3)
    np.testing.assert_array_equal(patterns.pair_counts(words), whole)


def test_the_python_twin_counts_the_same():
    words = patterns.pack_patterns(np.random.default_rng(1).random((130, 5)) < 0.5)
    counts = np.zeros((5, 5), dtype=np.int32)
    patterns._add_pair_counts(words, counts)
    np.testing.assert_array_equal(np.triu(counts), np.triu(patterns.pair_counts(words)))


def test_bit_order_is_documented():
    mask = np.zeros(70, dtype=bool)
    mask[[1, 69]] = True
    np.testing.assert_array_equal(patterns.pack_mask(mask), np.array([2, 32], dtype=np.uint64))


def test_network_patterns_count_zero_as_active(monkeypatch):
    X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    weights = np.array([[0.0, -1.0], [2.0, 0.0]])
    np.testing.assert_array_equal(patterns.network_patterns(weights, X), np.array([[3], [2], [1]], dtype=np.uint64))
    monkeypatch.setattr(patterns, "_ACTIVATIONS_AT_ONCE", 1)  # one row at a time
    np.testing.assert_array_equal(patterns.network_patterns(weights, X), np.array([[3], [2], [1]], dtype=np.uint64))


@pytest.mark.parametrize("m", [64, 65])
def test_bits_behind_the_last_neuron_are_zero(m):
    words = patterns.pack_mask(np.ones(m, dtype=bool))
    assert sum(patterns.popcount(word) for word in words) == m


@njit
def _bits(word):
    return patterns.lowest_bit(word), patterns.popcount(word)


def test_bits_of_a_word():
    for word in (1, 6, 1 << 63, 0b101000, 2**64 - 1):
        expected = ((word & -word).bit_length() - 1, word.bit_count())
        assert _bits(np.uint64(word)) == _bits.py_func(np.uint64(word)) == expected
