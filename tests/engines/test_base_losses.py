"""Other losses, learned signs and unmeasured steps: finite differences, plain loops, and all engines alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnetlab.core.rows import local_rows
from subnetlab.engines.base import Problem
from subnetlab.engines.table import ENGINES, create


def able(*needed):
    return [n for n, entry in ENGINES.items() if set(needed) <= entry.capabilities]


def setting(seed, n=6, d=3, m=9, outputs=None):
    rng = np.random.default_rng(seed)
    shape = () if outputs is None else (outputs,)
    X, W = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    return rng, X, rng.uniform(0, 1, (n, *shape)), W, rng.standard_normal((m, *shape))


def local_loss(W, a, mask, X, y, s, loss):
    """The loss as a textbook writes it, of a subnetwork given by its neurons."""
    total = 0.0
    for x, target, weight in zip(X, y, s, strict=True):
        f = sum(a[r] * max(W[r] @ x, 0.0) for r in range(len(W)) if mask[r]) / np.sqrt(len(W))
        for value, wanted in zip(np.atleast_1d(f), np.atleast_1d(target), strict=True):
            if loss == "squared":
                total += weight * 0.5 * (wanted - value) ** 2
            else:
                chance = 1 / (1 + np.exp(-value))
                total -= weight * (wanted * np.log(chance) + (1 - wanted) * np.log(1 - chance))
    return total


def slope(function, array, h=1e-6):
    """Central differences, entry by entry."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[index] += h
        down[index] -= h
        gradient[index] = (function(up) - function(down)) / (2 * h)
    return gradient


@pytest.mark.parametrize("name", able("losses"))
@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("outputs", [None, 2])
@pytest.mark.parametrize("learn", [False, True])
def test_one_step_follows_the_gradient_of_the_loss(name, loss, outputs, learn):
    can = ENGINES[name].capabilities
    if (outputs and "outputs" not in can) or (learn and "learned_signs" not in can):
        pytest.skip("refused by the table")
    rng, X, y, W, a = setting(1, outputs=outputs)
    weighted = "sample_weight" in can
    s = rng.uniform(0.5, 2, len(X)) if weighted else np.ones(len(X))
    masks, eta = rng.random((1, len(W))) < 0.6, 0.01
    problem = Problem(X, y, a, 0.6, sample_weight=s if weighted else None, loss=loss, learn_signs=learn)
    engine = create(name, problem, dtype="float64", threads=1)
    state, record = engine.round(engine.start(W), masks, eta, 1)
    dW = slope(lambda V: local_loss(V, a, masks[0], X, y, s, loss), W)
    np.testing.assert_allclose(engine.weights(state), W - eta * dW, rtol=0, atol=1e-8)
    expected = a - eta * slope(lambda b: local_loss(W, b, masks[0], X, y, s, loss), a) if learn else a
    if learn:
        np.testing.assert_allclose(engine.signs(state), expected, rtol=0, atol=1e-8)
    V = engine.weights(state)
    assert record.subnetwork_errors[0, 0] == pytest.approx(2 * local_loss(W, a, masks[0], X, y, s, loss))
    assert record.subnetwork_errors[1, 0] == pytest.approx(2 * local_loss(V, expected, masks[0], X, y, s, loss))
    everyone = np.ones(len(W), dtype=bool)
    assert record.full_error == pytest.approx(2 * local_loss(V, 0.6 * expected, everyone, X, y, s, loss))


@st.composite
def runs(draw):
    return {
        "seed": draw(st.integers(0, 2**20)),
        "outputs": draw(st.sampled_from([None, 1, 3])),
        "loss": draw(st.sampled_from(["squared", "logistic"])),
        "learn": draw(st.booleans()),
        "weighted": draw(st.booleans()),
        "batch_size": draw(st.sampled_from([None, 2, 5])),
        "unselected": draw(st.sampled_from(["keep", "zero"])),
    }


def run(name, case, dtype="float64", **errors):
    rng, X, y, W, a = setting(case["seed"], outputs=case["outputs"])
    s = rng.uniform(0, 2, len(X)) if case["weighted"] else None
    problem = Problem(X, y, a, 0.5, s, case["loss"], case["learn"], **errors)
    engine = create(name, problem, dtype=dtype, threads=1)
    state, records = engine.start(W), []
    for k, masks in enumerate(rng.random((6, 3, len(W))) < 0.5):
        batches = {"n_samples": len(X), "n_subnetworks": 3, "local_steps": 3, "batch_size": case["batch_size"]}
        rows = local_rows(case["seed"], k, shards=None, **batches)
        state, record = engine.round(state, masks, 0.05, 3, rows=rows, unselected=case["unselected"])
        records.append(record)
    signs = engine.signs(state) if case["learn"] else a
    return engine.weights(state), signs, records


@pytest.mark.parametrize("name", [n for n in able("learned_signs", "losses", "outputs") if n != "reference"])
@given(case=runs())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_engines_agree_with_the_reference(name, case):
    W, a, records = run("reference", case)
    V, b, others = run(name, case)
    np.testing.assert_allclose(V, W, rtol=0, atol=1e-10 * np.abs(W).max())
    np.testing.assert_allclose(b, a, rtol=0, atol=1e-10 * np.abs(a).max())
    for record, other in zip(records, others, strict=True):
        np.testing.assert_allclose(other.subnetwork_errors, record.subnetwork_errors, rtol=1e-9)
        assert other.full_error == pytest.approx(record.full_error, rel=1e-9)


CASE = {"seed": 1, "outputs": 2, "loss": "logistic", "learn": True, "weighted": True, "batch_size": 4}


@pytest.mark.parametrize("name", able("learned_signs", "float32"))
def test_float32_is_close(name):
    W, a, _ = run("reference", {**CASE, "unselected": "keep"})
    V, b, _ = run(name, {**CASE, "unselected": "keep"}, "float32")
    assert V.dtype == b.dtype == np.float32
    np.testing.assert_allclose(V, W, rtol=0, atol=1e-5)
    np.testing.assert_allclose(b, a, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", able("learned_signs"))
def test_learned_signs_move_where_selected_and_their_shared_updates_are_averaged(name):
    """One row, one active neuron in two subnetworks of different company, by hand."""
    X, y, W, a = np.array([[1.0]]), np.array([0.0]), np.array([[1.0], [1.0], [3.0]]), np.array([1.0, 1.0, 1.0])
    masks = np.array([[True, False, False], [True, True, False]])
    problem = Problem(X, y, a, 1.0, learn_signs=True)
    # f^1 = 1/sqrt 3 and f^2 = 2/sqrt 3; both gradients of a_1 are f/sqrt 3, so 1/3 and 2/3
    engine = create(name, problem, dtype="float64", threads=1)
    state, _ = engine.round(engine.start(W), masks, 0.3, 1)
    np.testing.assert_allclose(engine.signs(state), [1 - 0.3 * 0.5, 1 - 0.3 * 2 / 3, 1], rtol=1e-15)
    np.testing.assert_allclose(engine.weights(state)[:, 0], [1 - 0.3 * 0.5, 1 - 0.3 * 2 / 3, 3], rtol=1e-15)


@pytest.mark.parametrize("name", able("learned_signs"))
def test_a_snapshot_holds_the_learned_signs(name):
    rng, X, y, W, a = setting(5)
    problem = Problem(X, y, a, 0.5, learn_signs=True)
    masks = rng.random((4, 2, len(W))) < 0.5
    engine = create(name, problem, dtype="float64", threads=1)
    state = engine.start(W)
    for M in masks[:2]:
        state, _ = engine.round(state, M, 0.1, 2)
    kept = {key: value.copy() for key, value in engine.snapshot(state).items()}
    other = create(name, problem, dtype="float64", threads=1)
    resumed = other.restore(kept)
    for M in masks[2:]:
        state, _ = engine.round(state, M, 0.1, 2)
        resumed, _ = other.round(resumed, M, 0.1, 2)
    assert engine.signs(state).tobytes() == other.signs(resumed).tobytes()
    assert engine.weights(state).tobytes() == other.weights(resumed).tobytes()
    assert not np.array_equal(engine.signs(state), a)


@pytest.mark.parametrize("name", able("minibatches", "losses"))
def test_unmeasured_steps_train_the_same(name):
    case = {**CASE, "outputs": None, "learn": False, "weighted": False, "unselected": "keep"}
    W, _, measured = run(name, case)
    V, _, rounds = run(name, case, step_errors=False)
    U, _, nothing = run(name, case, step_errors=False, full_errors=False)
    assert V.tobytes() == W.tobytes() == U.tobytes()
    assert [r.full_error for r in rounds] == [r.full_error for r in measured]
    assert np.isnan(rounds[0].subnetwork_errors).all() == (name == "minibatch")
    assert np.isnan(nothing[0].full_error) == (name == "minibatch")


def test_the_minibatch_engine_reads_the_rows_of_the_batch_alone():
    """Rows outside the batch may hold anything, even infinity, without touching the weights."""
    _, X, y, W, a = setting(7)
    rows = local_rows(0, 0, n_samples=6, n_subnetworks=1, local_steps=1, shards=None, batch_size=2)
    X[np.setdiff1d(np.arange(6), rows.indices[0][0])] = np.inf
    engine = create(
        "minibatch", Problem(X, y, a, 1.0, step_errors=False, full_errors=False), dtype="float64", threads=1
    )
    with np.errstate(invalid="ignore"):
        state, _ = engine.round(engine.start(W), np.ones((1, len(W)), dtype=bool), 0.1, 1, rows=rows)
    assert np.isfinite(engine.weights(state)).all()
