"""The vector code of the event engine against its Python form."""

import numpy as np
import pytest
from numba import TypingError, njit

from subnetlab.compiled import masked_sums

RNG = np.random.default_rng(0)
WORDS = RNG.integers(0, 2**63, 8, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
MORE = RNG.integers(0, 2**63, 8, dtype=np.uint64)
X = RNG.standard_normal(600)


@njit
def _total(words, first_word, x, first_x, eights):
    return masked_sums.masked_total(words, first_word, x, first_x, eights)


@njit
def _sum(words, first_word, more, first_more, x, first_x, eights):
    return masked_sums.masked_sum(words, first_word, more, first_more, x, first_x, eights)


@njit
def _axpy(words, first_word, factor, x, first_x, y, first_y, eights):
    masked_sums.masked_axpy(words, first_word, factor, x, first_x, y, first_y, eights)


@njit
def _shift(words, first_word, more, first_more, amount, y, first_y, eights):
    masked_sums.masked_shift(words, first_word, more, first_more, amount, y, first_y, eights)


@njit
def _bits(x, first, bound):
    return masked_sums.below(x, first, bound), masked_sums.above(x, first, bound)


@njit
def _reach(x, first, slopes, advance, reach):
    return masked_sums.within_reach(x, first, slopes, advance, reach)


@pytest.mark.parametrize("eights", [0, 1, 2, 3, 4, 5, 7, 8, 13, 40])
def test_masked_sums_and_updates(eights):
    first = 2
    for compiled, arguments in [(_total, (WORDS, first, X, 7, eights)), (_sum, (WORDS, first, MORE, 1, X, 5, eights))]:
        assert compiled(*arguments) == pytest.approx(compiled.py_func(*arguments), abs=1e-12)
    for compiled, before in [(_axpy, (WORDS, 1, -2.5, X, 3)), (_shift, (WORDS, 1, MORE, 2, 0.75))]:
        mine, theirs = X.copy(), X.copy()
        compiled(*before, mine, 11, eights)
        compiled.py_func(*before, theirs, 11, eights)
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)
        assert (mine[:11] == X[:11]).all()
        assert (mine[11 + 8 * eights :] == X[11 + 8 * eights :]).all()


@pytest.mark.parametrize("shift", [_shift, _shift.py_func])
def test_arrays_of_two_dimensions_are_read_as_flat(shift):
    flat, rows = X.copy(), X.copy().reshape(6, 100)
    shift(WORDS, 1, MORE, 2, 0.75, flat, 91, 5)
    shift(WORDS.reshape(2, 4), 1, MORE.reshape(4, 2), 2, 0.75, rows, 91, 5)
    assert (flat != X).any()
    np.testing.assert_array_equal(rows.reshape(-1), flat)


def test_arrays_that_are_not_contiguous_are_refused():
    with pytest.raises(TypingError, match="masked_shift"):
        _shift(WORDS, 1, MORE, 2, 0.75, X.copy().reshape(6, 100).T, 91, 5)


def test_lanes_that_are_not_selected_do_not_matter():
    x = np.full(8, np.nan)
    x[2] = 1.5
    assert _total(np.array([4], np.uint64), 0, x, 0, 1) == 1.5


def test_not_a_number_reaches_the_sum():
    assert np.isnan(_total(np.array([5], np.uint64), 0, np.array([1, 2, np.nan, 4, 5, 6, 7, 8.0]), 0, 1))


def test_comparisons():
    x = np.array([9.0, -1.0, 0.0, -0.0, np.nan, np.inf, -np.inf, 1e-300, -1e-300])
    for bound in (0.0, -1e-300, np.inf, np.nan):
        assert _bits(x, 1, bound) == _bits.py_func(x, 1, bound)
    assert _bits(x, 1, 0.0) == (0b10100001, 0b01010000)


def test_entries_within_reach():
    x, slopes, advance = RNG.uniform(0, 1, 24), RNG.uniform(-1, 1, 72), np.array([0.3, -0.2, 0.1])
    x[9] = np.nan
    for first in (0, 8, 16):
        predicted = x[first : first + 8] - advance @ slopes[3 * first : 3 * first + 24].reshape(3, 8)
        expected = sum(1 << i for i in range(8) if predicted[i] <= 0.4)
        assert 0 < expected < 255
        assert _reach(x, first, slopes, advance, 0.4) == _reach.py_func(x, first, slopes, advance, 0.4) == expected
