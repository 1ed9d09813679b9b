"""The look-up engine's compiled passes against plain products, and mistakes that its exactness must notice."""

import numpy as np
import pytest
from numba import njit

from subnetlab.compiled import lookup_sums
from subnetlab.compiled.vector_code import aligned_zeros
from subnetlab.engines.base import Problem
from subnetlab.engines.lookup import engine as lookup_engine
from subnetlab.engines.lookup import steps
from subnetlab.engines.table import create

DTYPES = ("float64", "float32")


def _setting(seed=0, n=66, d=9, m=90, p=2, kappa=0.2):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    W, a = kappa * rng.standard_normal((m, d)), rng.standard_normal(m)
    return X, rng.uniform(-1, 2, n), W, a, rng.random((p, m)) < 0.6


def _round(X, y, W, a, masks, name="lookup", *, eta=0.4, tau=5, dtype="float64", threads=1, rounds=2):
    engine = create(name, Problem(X, y, a, 0.6), dtype=dtype, threads=threads)
    state = engine.start(W)
    for _ in range(rounds):
        state, record = engine.round(state, masks, eta, tau)
    return engine.weights(state), record, engine.snapshot(state)


def _is_exact():
    setting = _setting()
    mine, expected = _round(*setting), _round(*setting, name="reference")
    return np.allclose(mine[0], expected[0], rtol=0, atol=1e-12) and np.allclose(
        mine[1].subnetwork_errors, expected[1].subnetwork_errors, rtol=1e-11
    )


@pytest.fixture
def in_python(monkeypatch):
    """Replace the compiled passes by the Python ones that they are compiled from."""
    for name, value in list(vars(lookup_engine).items()):
        if hasattr(value, "py_func"):
            monkeypatch.setattr(lookup_engine, name, value.py_func)
    return monkeypatch


def test_python_and_compiled_code_agree(in_python):
    assert _is_exact()


def test_a_row_left_out_of_the_tables_is_noticed(in_python):
    def forgetful(G, place, driving, first, groups, tables):
        lookup_sums.tabulate(G, place, driving, first, groups, tables)
        tables[15 * 8 : 16 * 8] = tables[7 * 8 : 8 * 8]

    in_python.setattr(steps, "tabulate", forgetful)
    assert not _is_exact()


def test_a_pattern_change_that_gets_lost_is_noticed(in_python):
    def blind(Z, a, count, words, first_time, *rest):
        old = words.copy()
        steps.observe.py_func(Z, a, count, words, first_time, *rest)
        if not first_time:
            words[0, 3] = old[0, 3]

    in_python.setattr(lookup_engine, "observe", blind)
    assert not _is_exact()


def test_coefficients_of_changed_patterns_that_get_lost_are_noticed(in_python):
    def careless(Z, chosen, Z_l, words, c, D, *rest):
        D[:] = 0
        steps.collect.py_func(Z, chosen, Z_l, words, c, D, *rest)

    in_python.setattr(lookup_engine, "collect", careless)
    assert not _is_exact()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [1, 2, 3])
def test_two_threads_give_the_bits_of_one(p, dtype):
    setting = _setting(seed=3, n=150, d=30, m=700, p=p)
    one, two = _round(*setting, dtype=dtype), _round(*setting, dtype=dtype, threads=2)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1].subnetwork_errors, two[1].subnetwork_errors)
    for name, array in one[2].items():
        np.testing.assert_array_equal(array, two[2][name])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (15, 5), (16, 64), (65, 300), (130, 20)])
def test_a_step_is_a_product_with_the_patterns(n, m, dtype):
    rng = np.random.default_rng(n)
    width, words = lookup_sums.lanes(dtype), -(-n // 64)
    G, P = rng.standard_normal((n, n)).astype(dtype), rng.random((m, n)) < 0.5
    driving, factors = np.zeros(64 * words, dtype), rng.standard_normal(m).astype(dtype)
    driving[:n] = rng.standard_normal(n)
    store_G = np.zeros((-(-n // width), -(-n // 16) * 16, width), dtype)
    lookup_engine._fill(store_G, G)
    packed = np.zeros((m, 64 * words), bool)
    packed[:, :n] = P
    bits = np.ascontiguousarray(np.packbits(packed, axis=1, bitorder="little").view("<u8").T)
    tables = aligned_zeros((256 * width,), dtype)
    for compiled in (steps.step, steps.step.py_func):
        Z = np.zeros((-(-n // width), m, width), dtype)
        compiled(Z, store_G, bits, factors, m, driving, tables, 0, len(Z))
        expected = factors[:, None] * ((P * driving[:n]) @ G)
        tolerance = 50 * np.finfo(dtype).eps * n**0.5
        np.testing.assert_allclose(lookup_engine._unfold(Z, n), expected, rtol=0, atol=tolerance)


@njit
def _add_active(z, place, factor, sums, first):
    return lookup_sums.add_active(z, place, factor, sums, first)


@pytest.mark.parametrize("dtype", DTYPES)
def test_active_numbers_are_those_that_are_not_negative(dtype):
    z = np.tile(np.array([-1, 2, 0.0, -0.0, np.nan, np.inf, -np.inf, 3], dtype), 3)
    results = []
    for function in (_add_active, _add_active.py_func):
        sums = np.ones(lookup_sums.lanes(dtype) + 1, dtype)
        results.append((function(z, 8, z.dtype.type(0.5), sums, 1), sums))
    assert results[0][0] == results[1][0] == (0b10101110 if dtype == "float64" else 0b1010111010101110)
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert np.isnan(results[0][1][5])


def test_float32_outputs_of_many_neurons_keep_their_digits():
    m = 100_000
    engine = create("lookup", Problem(np.ones((1, 1)), np.zeros(1), np.ones(m), 1.0), dtype="float32", threads=1)
    state = engine.start(np.full((m, 1), 0.1))
    expected = (np.float64(np.float32(0.1)) * np.sqrt(m)) ** 2
    assert engine.full_error(state) == pytest.approx(expected, rel=1e-5)  # 3e-4 if added one after the other


@njit
def _tabulate_fours(G, place, driving, first, groups, tables):
    lookup_sums.tabulate_fours(G, place, driving, first, groups, tables)


@njit
def _add_looked_up_fours(z, place, factor, words, word, pieces, tables):
    lookup_sums.add_looked_up_fours(z, place, factor, words, word, pieces, tables)


def test_sums_of_half_lines_over_several_words():
    rng = np.random.default_rng(4)
    n = 112  # seven pieces, of which the last word holds three
    rows, driving, P = rng.standard_normal((n, 4)), rng.standard_normal(n), rng.random(128) < 0.5
    words = np.packbits(P, bitorder="little").view("<u8")
    for tabulate, look_up in (
        (_tabulate_fours, _add_looked_up_fours),
        (_tabulate_fours.py_func, _add_looked_up_fours.py_func),
    ):
        tables, z = np.zeros(n // 4 * 16 * 4), np.ones(6)
        tabulate(rows.reshape(-1), 0, driving, 0, n // 4, tables)
        look_up(z, 1, -2.0, words, 0, n // 16, tables)
        np.testing.assert_allclose(z[1:5], 1 - 2 * (P[:n] * driving) @ rows, rtol=0, atol=1e-13)
        assert z[0] == z[5] == 1
