"""The event engine: every pattern change is found, and the tests would notice if one were not."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.compiled.masked_sums import LANES, MODES
from subnetlab.engines.base import Problem
from subnetlab.engines.event import blocks, candidates, kernel, local_phase, network
from subnetlab.engines.event import engine as event_engine
from subnetlab.engines.event.kernel import GramMatrix
from subnetlab.engines.table import check_capabilities, create, needed_capabilities


def plain_local_phase(W, a, X, y, mask, eta, tau):
    """Return W after tau steps, the errors, and (step, neuron, row) of each pattern change: brute force."""
    m = len(W)
    errors, events = [], []
    pattern = W @ X.T >= 0
    for t in range(tau + 1):
        f = np.maximum(X @ W.T, 0) @ (a * mask) / np.sqrt(m)
        errors.append(np.sum((f - y) ** 2))
        now = W @ X.T >= 0
        events += [(t, r, j) for r, j in np.argwhere(now != pattern)]
        pattern = now
        if t < tau:
            W = W - eta / np.sqrt(m) * (a * mask)[:, None] * ((now * (f - y)) @ X)
    return W, np.array(errors), events


def _setting(seed=0, n=20, d=6, m=200, kappa=0.2):
    rng = np.random.default_rng(seed)
    X = np.abs(rng.standard_normal((n, d))) * np.where(rng.random((n, d)) < 0.2, -1, 1)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    W, a = kappa * rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)
    return X, rng.uniform(-1, 2, n), W, a, rng.random((3, m)) < 0.6


def _round(X, y, W, a, masks, eta, tau, threads=1):
    engine = create("event", Problem(X, y, a, 0.6), dtype="float64", threads=threads)
    state, record = engine.round(engine.start(W), masks, eta, tau)
    return engine.weights(state), record, engine.snapshot(state)


def _is_exact(*setting):
    X, y, W, a, masks, eta, tau = setting
    mine, record, _ = _round(*setting)
    updates, errors = [], []
    for mask in masks:
        W_l, errors_l, _ = plain_local_phase(W, a, X, y, mask, eta, tau)
        updates.append(W_l - W)
        errors.append(errors_l)
    expected = W + np.sum(updates, axis=0) / np.maximum(masks.sum(axis=0), 1)[:, None]
    return np.allclose(mine, expected, rtol=0, atol=1e-12) and np.allclose(
        record.subnetwork_errors, np.array(errors).T, rtol=1e-10
    )


SETTING = (*_setting(), 0.4, 8)
MODULES = (blocks, candidates, kernel, local_phase, network, event_engine)


@pytest.fixture
def in_python(monkeypatch):
    """Replace all compiled functions by the Python ones that they are compiled from."""
    for module in MODULES:
        for name, value in list(vars(module).items()):
            if hasattr(value, "py_func"):
                monkeypatch.setattr(module, name, value.py_func)
    return monkeypatch


def test_the_setting_has_many_events_and_entries_that_change_twice():
    X, y, W, a, masks, eta, tau = SETTING
    _, _, events = plain_local_phase(W, a, X, y, masks[0], eta, tau)
    entries = [(r, j) for _, r, j in events]
    assert len(events) > 100
    assert len(set(entries)) < len(entries)
    assert _is_exact(*SETTING)


def test_python_and_compiled_code_agree(in_python):
    assert _is_exact(*SETTING)


def _narrow(widen):
    def narrowed(gram, size, driving, rate, grown):
        widen(gram, size, 0.1 * driving, rate, grown)

    return narrowed


def _leave_out_last_mode(predict):
    def misled(G, modes, watched, memory):
        predict(G, modes, watched, memory)
        for mode in range(LANES):
            watched.slopes[(MODES - 1) * LANES + mode :: MODES * LANES] *= 0.5

    return misled


def _forget_last(look_at_awake):
    return lambda *arguments: max(look_at_awake(*arguments) - 1, 0)


def test_a_bound_that_is_too_narrow_is_noticed(in_python):
    in_python.setattr(local_phase, "widen", _narrow(local_phase.widen))
    assert not _is_exact(*SETTING)


def test_a_wrong_prediction_is_noticed(in_python):
    in_python.setattr(local_phase, "predict", _leave_out_last_mode(local_phase.predict))
    assert not _is_exact(*SETTING)


def test_a_forgotten_event_is_noticed(in_python):
    in_python.setattr(local_phase, "look_at_awake", _forget_last(local_phase.look_at_awake))
    assert not _is_exact(*SETTING)


def test_an_unwatched_entry_is_noticed(in_python):
    watch = candidates.watch

    def too_few(near, mask, positive, by_neuron, down, up, watched):
        return watch(near, mask, positive, by_neuron, 0.3 * down, 0.3 * up, watched)

    in_python.setattr(event_engine, "watch", too_few)
    assert not _is_exact(*SETTING)


def test_changed_coefficients_that_get_lost_are_noticed(in_python):
    in_python.setattr(network, "correct", lambda *arguments: None)
    assert not _is_exact(*SETTING)


@pytest.mark.parametrize("margin", [0.5, 0.05, 1e-6])
def test_a_guess_that_proves_too_small_is_made_again(monkeypatch, margin):
    results = []
    run_phase = event_engine.run_phase

    def noting(phase):
        results.append(run_phase(phase))
        return results[-1]

    monkeypatch.setattr(event_engine.EventEngine, "_run_phase", staticmethod(noting))
    monkeypatch.setattr(event_engine, "_MARGIN", margin)
    assert _is_exact(*SETTING)
    assert len(results) >= 6  # three subnetworks, each at least twice


def test_without_predictions_it_is_exact_too(in_python):
    in_python.setattr(local_phase, "_MOST_PREDICTED", -1)
    assert _is_exact(*SETTING)
    in_python.setattr(local_phase, "widen", _narrow(local_phase.widen))
    assert not _is_exact(*SETTING)


def test_one_kernel_at_a_time_changes_nothing(monkeypatch):
    expected = _round(*SETTING)
    monkeypatch.setattr(event_engine, "_KERNEL_BYTES", 1)
    np.testing.assert_array_equal(_round(*SETTING)[0], expected[0])


def test_two_threads_give_the_bits_of_one():
    setting = (*_setting(seed=3, n=70, d=30, m=1500), 0.3, 5)
    one, two = _round(*setting), _round(*setting, threads=2)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1].subnetwork_errors, two[1].subnetwork_errors)
    for name, array in one[2].items():
        np.testing.assert_array_equal(array, two[2][name])


def test_the_kernel_is_the_masked_ntk():
    X, _, W, a, masks = _setting(n=13)
    net = sl.ShallowReLU(W, a)
    layout = blocks.Layout.of(len(W), len(X))
    engine = event_engine.EventEngine(Problem(X, np.ones(13), a, 0.6))
    state = engine.start(W)
    gram = GramMatrix.of(X)
    T = np.empty_like(gram.values)
    kernel.fill_kernel(state.patterns.by_row, layout.pack(masks)[1], gram, len(W), np.empty((13, 13), np.int32), T)
    np.testing.assert_allclose((T[:, :13] + T[:, :13].T), sl.masked_ntk(net, X, masks[1]), rtol=1e-13)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (64, 64), (65, 63), (700, 130), (1300, 3)])
def test_patterns_by_rows_and_by_neurons(m, n):
    rng = np.random.default_rng(m)
    X, W, a = rng.standard_normal((n, 5)), rng.standard_normal((m, 5)), rng.choice([-1.0, 1.0], m)
    W[::7] = 0
    engine = event_engine.EventEngine(Problem(X, np.ones(n), a, 0.6))
    patterns = engine.start(W).patterns
    expected = W @ X.T >= 0
    r = np.arange(m)
    by_row = (patterns.by_row[:, r // 64] >> (r % 64).astype(np.uint64)) & np.uint64(1)
    np.testing.assert_array_equal(by_row.T.astype(bool), expected)
    j = np.arange(n)
    by_neuron = (patterns.by_neuron[:m][:, j // 64] >> (j % 64).astype(np.uint64)) & np.uint64(1)
    np.testing.assert_array_equal(by_neuron.astype(bool), expected)


def test_modes_are_orthonormal_or_absent():
    driving = np.random.default_rng(2).standard_normal((5, MODES, 16))
    driving[1] = 0
    driving[2] = driving[2, 0]  # one direction only
    driving[3] *= 1e200
    driving[4, 0, 1] = np.inf
    modes = local_phase.find_modes(driving)
    np.testing.assert_allclose(modes[:4] @ modes[:4].swapaxes(1, 2), 4 * [np.eye(MODES)], atol=1e-14)
    assert not modes[4].any()
    for k in (0, 2, 3):  # they span what they were made of
        rest = driving[k] - driving[k] @ modes[k].T @ modes[k]
        assert np.abs(rest).max() < 1e-13 * np.abs(driving[k]).max()


def test_signs_other_than_one_are_refused():
    problem = Problem(np.eye(2), np.ones(2), np.array([1.0, -0.5]), 1.0)
    needed = needed_capabilities(problem, sl.gradient_descent(1), "float64")
    with pytest.raises(ValueError, match="any_signs"):
        check_capabilities("event", needed)


def test_bounds_hold_for_every_pattern():
    rng = np.random.default_rng(1)
    X, residuals = rng.standard_normal((9, 4)), rng.standard_normal((5, 9))
    gram = GramMatrix.of(X)
    c, travel = np.zeros(16), np.zeros(16)
    c[:9], travel[:9] = residuals.sum(axis=0), np.abs(residuals).sum(axis=0)
    down, up = kernel.bound_motion(gram, c, travel, 0.7)
    G = X @ X.T
    np.testing.assert_allclose(down, 0.7 * np.maximum(residuals[:, :, None] * G, 0).sum(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(up, 0.7 * np.maximum(-residuals[:, :, None] * G, 0).sum(axis=(0, 1)), rtol=1e-12)
    grown = np.zeros(9)
    for r in residuals:
        kernel.widen.py_func(gram.values, gram.sizes, np.append(r, np.zeros(7)), 0.7, grown)
    up_or_down = np.maximum(
        np.maximum(residuals[:, :, None] * G, 0).sum(1), np.maximum(-residuals[:, :, None] * G, 0).sum(1)
    )
    np.testing.assert_allclose(grown, 0.7 * up_or_down.sum(axis=0), rtol=1e-12)
    worst_pattern = c[:9, None] * G > 0
    assert (0.7 * (c[:9, None] * G * worst_pattern).sum(axis=0) <= down).all()
