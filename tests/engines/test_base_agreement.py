"""Every engine that runs Algorithm 1 itself against examples/algorithm1.py and the reference engine."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnetlab.core.rows import local_rows
from subnetlab.engines.base import Problem
from subnetlab.engines.table import ENGINES, create

_WITH_TESTS_OF_THEIR_OWN = ("reference", "distributed")
EXACT = [name for name, entry in ENGINES.items() if entry.exact and name not in _WITH_TESTS_OF_THEIR_OWN]


def _algorithm1():
    path = Path(__file__).parents[2] / "examples" / "algorithm1.py"
    spec = importlib.util.spec_from_file_location("algorithm1_of_the_paper", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALGORITHM1 = _algorithm1()


def _setting(seed, n, d, m, p, rounds, *, xi=0.5, kappa=1.0, law="bernoulli", unit=True):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    if unit:
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.uniform(-1, 1, n)
    W, a = kappa * rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)
    if law == "bernoulli":
        masks = rng.random((rounds, p, m)) < xi
    elif law == "categorical":
        masks = rng.integers(p, size=(rounds, 1, m)) == np.arange(p)[:, np.newaxis]
    else:
        masks = np.ones((rounds, p, m), bool)
    return X, y, W, a, masks


def _run(name, X, y, W, a, masks, eta, tau, *, dtype="float64", threads=1, xi=0.5, unselected="keep", **options):
    rows = options.pop("rows", [None] * len(masks))
    engine = create(name, Problem(X, y, a, xi, **options), dtype=dtype, threads=threads)
    state = engine.start(W)
    records = []
    with np.errstate(over="ignore", invalid="ignore"):
        for M, seen in zip(masks, rows, strict=True):
            state, record = engine.round(state, M, eta, tau, rows=seen, unselected=unselected)
            records.append(record)
    return engine.weights(state), records


def _assert_same_run(one, other, scale, tolerance=1e-10):
    np.testing.assert_allclose(one[0], other[0], rtol=0, atol=tolerance * scale)
    for mine, theirs in zip(one[1], other[1], strict=True):
        size = max(1.0, np.max(theirs.subnetwork_errors))
        np.testing.assert_allclose(mine.subnetwork_errors, theirs.subnetwork_errors, rtol=tolerance, atol=1e-12 * size)
        np.testing.assert_allclose(mine.full_error, theirs.full_error, rtol=tolerance, atol=1e-12 * size)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("law", ["bernoulli", "categorical", "all"])
@pytest.mark.parametrize(("n", "d"), [(7, 12), (9, 9), (30, 4), (70, 5)])
def test_is_algorithm_1(name, law, n, d):
    X, y, W, a, masks = _setting(n, n, d, 90, 3, 25, law=law)
    eta, tau = 0.3, 4
    W_paper, sampled, local = ALGORITHM1.train(W, a, X, y, masks, eta, tau)
    W_engine, records = _run(name, X, y, W, a, masks, eta, tau)
    np.testing.assert_allclose(W_engine, W_paper, rtol=0, atol=1e-10 * np.abs(W_paper).max())
    errors = np.array([r.subnetwork_errors.mean(axis=1) for r in records])
    np.testing.assert_allclose(errors[:, 0], sampled, rtol=1e-10)
    np.testing.assert_allclose(errors[:, 1:], local, rtol=1e-10)
    u = 0.5 * ALGORITHM1.subnetwork_output(W_paper, a, np.ones(90), X)
    np.testing.assert_allclose(records[-1].full_error, np.sum((y - u) ** 2), rtol=1e-10)


@pytest.mark.parametrize("name", EXACT)
@given(
    seed=st.integers(0, 2**20),
    n=st.integers(1, 12),
    d=st.integers(1, 12),
    m=st.integers(1, 140),
    p=st.integers(1, 4),
    rounds=st.integers(1, 4),
    tau=st.integers(1, 6),
    xi=st.sampled_from([0.0, 0.2, 0.7, 1.0]),
    kappa=st.sampled_from([1e-6, 0.05, 1.0, 1e4]),
    eta=st.sampled_from([1e-9, 0.01, 0.5, 2.0]),
    repeated=st.booleans(),
    unselected=st.sampled_from(["keep", "zero"]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_agrees_with_the_reference(name, seed, n, d, m, p, rounds, tau, xi, kappa, eta, repeated, unselected):
    X, y, W, a, masks = _setting(seed, n, d, m, p, rounds, xi=xi, kappa=kappa)
    if repeated and n >= 3:
        X[1], X[2] = X[0], -2 * X[0]
    expected = _run("reference", X, y, W, a, masks, eta, tau, unselected=unselected)
    scale = np.abs(expected[0]).max() + np.abs(W).max() + 1e-3
    _assert_same_run(_run(name, X, y, W, a, masks, eta, tau, unselected=unselected), expected, scale)


@pytest.mark.parametrize("name", EXACT)
def test_a_pre_activation_of_zero_is_active(name):
    # every product and sum is exact in binary, whatever the order: many z are exactly 0 at the start and after steps
    rng = np.random.default_rng(5)
    X = rng.integers(-1, 2, (6, 4)).astype(float)
    X[0] = 1
    X[X.any(axis=1) == 0] = 1
    W = rng.integers(-2, 3, (64, 4)) / 4.0
    a = rng.choice([-1.0, 1.0], 64)
    y = rng.integers(-4, 5, 6) / 4.0
    masks = rng.random((2, 2, 64)) < 0.5
    masks[:, 1] = ~masks[:, 0]  # aggregation steps of one: no division by three
    assert np.mean(W @ X.T == 0) > 0.1
    expected = _run("reference", X, y, W, a, masks, 0.25, 2)
    np.testing.assert_array_equal(_run(name, X, y, W, a, masks, 0.25, 2)[0], expected[0])


@pytest.mark.parametrize("name", EXACT)
def test_many_patterns_change_at_once(name):
    # a common direction moves all neurons through their hinges in the same steps
    X, y, W, a, masks = _setting(3, 20, 6, 200, 3, 6, kappa=0.01)
    X = np.abs(X) + 0.2
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    expected = _run("reference", X, 3 + y, W, a, masks, 0.2, 7)
    _assert_same_run(_run(name, X, 3 + y, W, a, masks, 0.2, 7), expected, np.abs(expected[0]).max())


@pytest.mark.parametrize("name", EXACT)
def test_agrees_over_two_hundred_rounds(name):
    X, y, W, a, masks = _setting(8, 25, 8, 300, 3, 200)
    expected = _run("dual" if name == "primal" else "primal", X, y, W, a, masks, 0.2, 3)
    _assert_same_run(_run(name, X, y, W, a, masks, 0.2, 3), expected, np.abs(expected[0]).max())


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(("shards", "batch_size"), [(3, None), (None, 4), (2, 3)])
def test_shards_and_minibatches(name, shards, batch_size):
    if not {"shards", "minibatches"} <= ENGINES[name].capabilities:
        pytest.skip("refused by the table")
    X, y, W, a, masks = _setting(1, 13, 5, 80, 3, 5)
    rows = [
        local_rows(7, k, n_samples=13, n_subnetworks=3, local_steps=4, shards=shards, batch_size=batch_size)
        for k in range(len(masks))
    ]
    expected = _run("reference", X, y, W, a, masks, 0.3, 4, rows=rows)
    _assert_same_run(_run(name, X, y, W, a, masks, 0.3, 4, rows=rows), expected, np.abs(expected[0]).max())


@pytest.mark.parametrize("name", [n for n in EXACT if "sample_weight" in ENGINES[n].capabilities])
def test_sample_weights(name):
    X, y, W, a, masks = _setting(2, 11, 5, 80, 2, 5)
    weight = np.linspace(0, 2, 11)
    expected = _run("reference", X, y, W, a, masks, 0.3, 4, sample_weight=weight)
    mine = _run(name, X, y, W, a, masks, 0.3, 4, sample_weight=weight)
    _assert_same_run(mine, expected, np.abs(expected[0]).max())


@pytest.mark.parametrize("name", [n for n in EXACT if "outputs" in ENGINES[n].capabilities])
def test_several_outputs(name):
    X, _, W, _, masks = _setting(4, 11, 5, 80, 2, 5)
    rng = np.random.default_rng(0)
    a, Y = rng.choice([-1.0, 1.0], (80, 3)), rng.uniform(-1, 1, (11, 3))
    expected = _run("reference", X, Y, W, a, masks, 0.3, 4, sample_weight=np.linspace(0, 2, 11))
    mine = _run(name, X, Y, W, a, masks, 0.3, 4, sample_weight=np.linspace(0, 2, 11))
    _assert_same_run(mine, expected, np.abs(expected[0]).max())


@pytest.mark.parametrize("name", [n for n in EXACT if "float32" in ENGINES[n].capabilities])
def test_float32_is_close(name):
    X, y, W, a, masks = _setting(6, 20, 8, 200, 3, 30)
    expected, _ = _run("reference", X, y, W, a, masks, 0.3, 4)
    single, _ = _run(name, X, y, W, a, masks, 0.3, 4, dtype="float32")
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", EXACT)
def test_an_unstable_run_ends_in_errors_that_are_not_finite(name):
    X, y, W, a, masks = _setting(9, 10, 4, 60, 2, 60)
    expected = _run("reference", X, y, W, a, masks[:6], 300.0, 3)
    _assert_same_run(_run(name, X, y, W, a, masks[:6], 300.0, 3), expected, np.abs(expected[0]).max(), 1e-9)
    _, records = _run(name, X, y, W, a, masks, 1e60, 3)
    assert not np.isfinite(records[-1].subnetwork_errors).all()


@pytest.mark.parametrize("name", EXACT)
def test_goes_on_from_a_snapshot_with_the_same_bits(name):
    X, y, W, a, masks = _setting(10, 12, 5, 150, 3, 6)
    engine = create(name, Problem(X, y, a, 0.5), dtype="float64", threads=1)
    state = engine.start(W)
    for M in masks[:3]:
        state, _ = engine.round(state, M, 0.3, 4, unselected="zero")
    arrays = engine.snapshot(state)
    kept = {key: value.copy() for key, value in arrays.items()}
    for M in masks[3:]:
        state, record = engine.round(state, M, 0.3, 4, unselected="zero")
    for key in kept:
        np.testing.assert_array_equal(arrays[key], kept[key])
    other = create(name, Problem(X, y, a, 0.5), dtype="float64", threads=1)
    resumed = other.restore(kept)
    for M in masks[3:]:
        resumed, again = other.round(resumed, M, 0.3, 4, unselected="zero")
    np.testing.assert_array_equal(engine.weights(state), other.weights(resumed))
    assert again.full_error == record.full_error
    np.testing.assert_array_equal(again.subnetwork_errors, record.subnetwork_errors)


@pytest.mark.parametrize("name", EXACT)
def test_start_keeps_no_hold_on_writable_weights(name):
    X, y, W, a, masks = _setting(11, 6, 5, 40, 2, 2)
    engine = create(name, Problem(X, y, a, 0.5), dtype="float64", threads=1)
    given_weights = W.copy()
    state = engine.start(given_weights)
    given_weights[:] = np.nan
    for M in masks:
        state, _ = engine.round(state, M, 0.3, 2)
    assert np.isfinite(engine.weights(state)).all()
