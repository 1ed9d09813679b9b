"""The linearized engine: the lazy-training model, and what it has in common with Algorithm 1."""

import numpy as np
import pytest

from subnetlab.core.rows import local_rows
from subnetlab.engines.base import Problem
from subnetlab.engines.table import create


def _setting(m=150, n=9, d=4, kappa=1.0, rounds=4):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    W, a = kappa * rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)
    return X, rng.uniform(-1, 1, n), W, a, rng.random((rounds, 3, m)) < 0.6


def _lazy_training(X, y, W, a, masks, eta, tau, unselected="keep"):
    """Algorithm 1 with the indicators of W_0, in plain NumPy."""
    m = len(W)
    P = W @ X.T >= 0
    all_errors = []
    for M in masks:
        updates, errors = np.zeros_like(W), np.zeros((tau + 1, len(M)))
        for l, mask in enumerate(M):
            W_l = W.copy()
            for t in range(tau + 1):
                residual = ((W_l @ X.T) * P).T @ (a * mask) / np.sqrt(m) - y
                errors[t, l] = residual @ residual
                if t < tau:
                    W_l -= eta / np.sqrt(m) * (a * mask)[:, None] * ((P * residual) @ X)
            updates += W_l - W
        count = M.sum(axis=0)
        W = W + updates / np.maximum(count, 1)[:, None]
        if unselected == "zero":
            W[count == 0] = 0
        u = 0.6 * ((W @ X.T) * P).T @ a / np.sqrt(m)
        all_errors.append((errors, np.sum((u - y) ** 2)))
    return W, all_errors


def _run(name, X, y, W, a, masks, eta, tau, threads=1, rows=None, **options):
    engine = create(name, Problem(X, y, a, 0.6), dtype="float64", threads=threads)
    state, records = engine.start(W), []
    for k, M in enumerate(masks):
        state, record = engine.round(state, M, eta, tau, rows=None if rows is None else rows[k], **options)
        records.append(record)
    return engine.weights(state), records


@pytest.mark.parametrize("unselected", ["keep", "zero"])
def test_is_training_with_the_first_patterns(unselected):
    setting = (*_setting(kappa=0.1), 0.5, 5)
    W, records = _run("linearized", *setting, unselected=unselected)
    expected, errors = _lazy_training(*setting, unselected=unselected)
    np.testing.assert_allclose(W, expected, atol=1e-12)
    for record, (local, full) in zip(records, errors, strict=True):
        np.testing.assert_allclose(record.subnetwork_errors, local, rtol=1e-10)
        assert record.full_error == pytest.approx(full, rel=1e-10)


def test_is_algorithm_1_while_no_pattern_changes():
    X, y, W, a, masks = _setting()
    step = 1e-4 / np.abs(W @ X.T).max()
    exact, lazy = (_run(name, X, y, W, a, masks, step, 5) for name in ("reference", "linearized"))
    np.testing.assert_allclose(lazy[0], exact[0], rtol=1e-12)


def test_is_not_algorithm_1_once_patterns_change():
    setting = (*_setting(kappa=0.1), 0.5, 5)
    exact, lazy = (_run(name, *setting)[0] for name in ("reference", "linearized"))
    assert np.abs(exact - lazy).max() > 1e-3


def test_approaches_algorithm_1_with_the_width():
    distances = []
    for m in (300, 30_000):
        X, y, W, a, masks = _setting(m)
        exact, lazy = (_run(name, X, y, W, a, masks, 0.5, 5)[0] for name in ("event", "linearized"))
        distances.append(np.linalg.norm(exact - lazy) / np.linalg.norm(exact - W))
    assert distances[1] < 0.5 * distances[0]


def test_shards_and_threads():
    X, y, W, a, masks = _setting(m=1200)
    rows = [
        local_rows(1, k, n_samples=9, n_subnetworks=3, local_steps=5, shards=2, batch_size=3) for k in range(len(masks))
    ]
    one, two = (_run("linearized", X, y, W, a, masks, 1e-9, 5, threads=t, rows=rows) for t in (1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    exact, _ = _run("reference", X, y, W, a, masks, 1e-9, 5, rows=rows)
    np.testing.assert_allclose(one[0] - W, exact - W, atol=1e-14)
