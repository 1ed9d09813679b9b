"""The reference and the primal engine against examples/algorithm1.py and an oracle of plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subnetlab as sl
from subnetlab.core.rows import LocalRows
from subnetlab.engines.base import Problem
from subnetlab.engines.primal import PrimalEngine
from subnetlab.engines.reference import ReferenceEngine
from subnetlab.engines.table import create

ENGINES_HERE = ("reference", "primal")
ROUNDS = 200


def problem_of(seed, n, d):
    """Rows of unit norm and targets in [-1, 1]."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.uniform(-1, 1, n)


def close(got, expected, relative=1e-10):
    """The largest difference is at most ``relative`` times the largest entry."""
    np.testing.assert_allclose(got, expected, rtol=0, atol=relative * np.abs(expected).max())


@st.composite
def laws(draw, width, rounds):
    p = draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["bernoulli", "categorical", "uneven", "all", "fixed"]))
    if kind == "bernoulli":
        return sl.Bernoulli(p, draw(st.floats(0.02, 1.0)))
    if kind == "categorical":
        return sl.Categorical(p)
    if kind == "uneven":
        shares = np.array(draw(st.lists(st.floats(0.05, 1), min_size=p, max_size=p)))
        return sl.Categorical(p, tuple(shares / shares.sum()))
    if kind == "all":
        return sl.AllNeurons(p)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.floats(0, 1))
    return sl.FixedMasks(rng.random((rounds, p, width)) < density, draw(st.floats(0.02, 1.0)))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_both_engines_agree_with_the_independent_algorithm(algorithm1, data):
    """Weights to 1e-10 relative after 200 rounds, all errors too, for every law, p, tau and xi."""
    n, d, m = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5)), data.draw(st.integers(1, 24))
    tau, seed = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2**64 - 1))
    law = data.draw(laws(m, ROUNDS))
    X, y = problem_of(seed, n, d)
    network = sl.ShallowReLU.initialize(m, d, init_scale=data.draw(st.sampled_from([1.0, 0.1])), seed=seed)
    # |x| = 1 and |a| = 1 bound every kernel by n: below 2/n no frozen pattern diverges
    eta = data.draw(st.floats(0.05, 1.0)) / n
    masks = np.array([law.sample(seed, k, m) for k in range(ROUNDS)])
    W, sampled, local = algorithm1.train(network.weights, network.output_weights, X, y, masks, eta, tau)
    u = law.selection_prob * algorithm1.subnetwork_output(W, network.output_weights, np.ones(m), X)
    scheme = sl.TrainingScheme(law, rounds=ROUNDS, local_steps=tau, step_size=eta)
    for engine in ENGINES_HERE:
        run = sl.train(network, X, y, scheme, seed=seed, engine=engine)
        close(run.network.weights, W)
        close(run.history.sampled_error, sampled)
        close(run.history.local_error, local)
        assert abs(run.history.full_error[-1] - np.sum((y - u) ** 2)) <= 1e-10 * run.history.full_error.max()


@pytest.mark.parametrize("engine", ENGINES_HERE)
@pytest.mark.parametrize("law", [sl.Bernoulli(1, 1.0), sl.AllNeurons(), sl.AllNeurons(3), sl.Categorical(1)], ids=repr)
def test_the_whole_network_as_every_subnetwork_is_gradient_descent(engine, law):
    X, y = problem_of(0, 5, 3)
    network = sl.ShallowReLU.initialize(40, 3)
    scheme = sl.TrainingScheme(law, rounds=100, step_size=0.2)
    run = sl.train(network, X, y, scheme, engine=engine)
    W, everyone = network.weights, np.ones(40, dtype=bool)
    for k in range(100):
        descending = sl.ShallowReLU(W, network.output_weights)
        residual = descending.output(X) - y
        assert run.history.full_error[k] == pytest.approx(residual @ residual, rel=1e-10)
        assert run.history.sampled_error[k] == pytest.approx(residual @ residual, rel=1e-10)
        W = W - 0.2 * descending.subnetwork_gradient(X, y, everyone)
    close(run.network.weights, W)
    if law.n_subnetworks == 1:
        np.testing.assert_allclose(run.history.local_error[:, 0], run.history.full_error[1:], rtol=1e-10)


@pytest.mark.parametrize(
    ("engine", "dtype"), [("reference", np.float64), ("primal", np.float64), ("primal", np.float32)]
)
def test_unselected_neurons_keep_their_bits(engine, dtype):
    X, y = problem_of(1, 4, 3)
    rng = np.random.default_rng(0)
    W = rng.standard_normal((20, 3)).astype(dtype)
    W[::3] = -0.0  # adding 0.0 to it would turn its sign
    W[1::3] = np.nextafter(dtype(0), dtype(1))  # the smallest subnormal
    masks = rng.random((5, 3, 20)) < 0.2
    engine = create(engine, Problem(X, y, np.ones(20), 0.2), dtype=np.dtype(dtype).name, threads=1)
    state = engine.start(W)
    for M in masks:
        before = engine.weights(state)
        state, _ = engine.round(state, M, 0.1, 3)
        nobody = ~M.any(axis=0)
        assert 5 < nobody.sum() < 20
        assert engine.weights(state)[nobody].tobytes() == before[nobody].tobytes()


@pytest.mark.parametrize("engine", ENGINES_HERE)
@pytest.mark.parametrize("unselected", ["keep", "zero"])
def test_rounds_in_which_nobody_is_selected(engine, unselected):
    X, y = problem_of(2, 4, 3)
    network = sl.ShallowReLU.initialize(10, 3)
    masks = np.zeros((4, 2, 10), dtype=bool)
    masks[0, 0, :5] = True  # then three rounds of nobody
    scheme = sl.TrainingScheme(sl.FixedMasks(masks, 0.3), rounds=4, local_steps=2, step_size=0.1, unselected=unselected)
    run = sl.train(network, X, y, scheme, engine=engine)
    one = sl.train(network, X, y, sl.TrainingScheme(scheme.masks, 1, 2, 0.1), engine=engine)
    np.testing.assert_allclose(run.history.sampled_error[1:], np.sum(y**2), rtol=1e-15)
    np.testing.assert_allclose(run.history.local_error[1:], np.sum(y**2), rtol=1e-15)
    if unselected == "keep":
        assert run.network.weights.tobytes() == one.network.weights.tobytes()
        assert len(set(run.history.full_error[1:])) == 1
    else:
        assert not run.network.weights.any()
        assert run.history.full_error[-1] == pytest.approx(np.sum(y**2), rel=1e-15)


def slow_round(W, a, X, Y, masks, eta, tau, *, rows, s, unselected):
    """One round in plain loops over neurons and samples, outputs in the columns of a and Y: the oracle."""
    m, n, o = len(W), len(X), Y.shape[1]

    def outputs(V, mask):
        f = np.zeros((n, o))
        for i in range(n):
            for r in range(m):
                if mask[r]:
                    f[i] += a[r] * max(V[r] @ X[i], 0.0) / m**0.5
        return f

    errors, moved = np.zeros((tau + 1, len(masks))), []
    for l, mask in enumerate(masks):
        V = W.copy()
        for t in range(tau + 1):
            f = outputs(V, mask)
            errors[t, l] = sum(s[i] * (Y[i, c] - f[i, c]) ** 2 for i in range(n) for c in range(o))
            if t == tau:
                break
            seen, scale = (range(n), 1.0) if rows is None else (rows.indices[l][t], rows.scales[l])
            step = np.zeros_like(V)
            for r in range(m):
                for i in seen:
                    if mask[r] and V[r] @ X[i] >= 0:
                        step[r] += scale * s[i] * ((f[i] - Y[i]) @ a[r]) * X[i] / m**0.5
            V -= eta * step
        moved.append(V)
    after = W.copy()
    for r in range(m):
        holders = [l for l in range(len(masks)) if masks[l, r]]
        if holders:
            after[r] = sum(moved[l][r] for l in holders) / len(holders)
        elif unselected == "zero":
            after[r] = 0
    return after, errors


@st.composite
def rounds_of_everything(draw):
    n, m, p, tau = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    indices, scales = [], []
    for _ in range(p):
        b = draw(st.integers(1, n))
        indices.append(np.array([np.sort(rng.permutation(n)[:b]) for _ in range(tau)]))
        scales.append(n / b)
    rows = LocalRows(tuple(indices), tuple(scales)) if draw(st.booleans()) else None
    return rng, n, m, p, tau, rows, draw(st.sampled_from(["keep", "zero"]))


@pytest.mark.parametrize("o", [None, 1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(case=rounds_of_everything())
def test_shards_minibatches_outputs_and_sample_weights_against_plain_loops(o, weighted, case):
    rng, n, m, p, tau, rows, unselected = case
    X, W = rng.standard_normal((n, 2)), rng.standard_normal((m, 2))
    W[0] = 0.0  # on the hinge for every row
    shape = () if o is None else (o,)
    a, y = rng.standard_normal((m, *shape)), rng.standard_normal((n, *shape))
    masks = rng.random((p, m)) < 0.5
    s = rng.uniform(0, 2, n) if weighted else np.ones(n)
    expected, errors = slow_round(
        W, a.reshape(m, -1), X, y.reshape(n, -1), masks, 0.1, tau, rows=rows, s=s, unselected=unselected
    )
    problem = Problem(X, y, a, selection_prob=0.7, sample_weight=s if weighted else None)
    for name in ENGINES_HERE if o is None and not weighted else ["reference"]:
        engine = create(name, problem, dtype="float64", threads=1)
        state, record = engine.round(engine.start(W), masks, 0.1, tau, rows=rows, unselected=unselected)
        np.testing.assert_allclose(engine.weights(state), expected, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(record.subnetwork_errors, errors, rtol=1e-11, atol=1e-12)
        u = 0.7 * sl.ShallowReLU(expected, a).output(X)
        full = np.sum(s.reshape(n, *[1] * len(shape)) * (y - u) ** 2)
        assert record.full_error == pytest.approx(full, rel=1e-11)
        assert engine.full_error(state) == record.full_error


@pytest.mark.parametrize("options", [{"shards": 3}, {"batch_size": 4}, {"shards": 2, "batch_size": 3}], ids=repr)
def test_engines_agree_over_many_rounds_of_shards_and_minibatches(options):
    X, y = problem_of(3, 11, 4)
    network = sl.ShallowReLU.initialize(30, 4)
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=ROUNDS, local_steps=3, step_size=0.05, **options)
    one, other = (sl.train(network, X, y, scheme, seed=5, engine=engine) for engine in ENGINES_HERE)
    close(one.network.weights, other.network.weights)
    close(one.history.local_error, other.history.local_error)


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_an_engine_copies_what_it_starts_from_and_hands_out_copies(engine):
    X, y = problem_of(4, 4, 3)
    W = np.random.default_rng(0).standard_normal((10, 3))
    before, masks = W.copy(), np.ones((1, 10), dtype=bool)
    engine = create(engine, Problem(X, y, np.ones(10), 1.0), dtype="float64", threads=1)
    state = engine.start(W)
    snapshot, handed_out = engine.snapshot(state), engine.weights(state)
    state, _ = engine.round(state, masks, 0.1, 2)
    for array in (W, snapshot["weights"], handed_out):
        np.testing.assert_array_equal(array, before)
    assert not np.array_equal(engine.weights(state), before)
    restored = engine.restore(snapshot)
    restored, _ = engine.round(restored, masks, 0.1, 2)
    np.testing.assert_array_equal(snapshot["weights"], before)


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_the_memory_order_of_the_first_weights_does_not_matter(engine):
    X, y = problem_of(4, 4, 3)
    W = np.random.default_rng(0).standard_normal((10, 3))
    masks = np.random.default_rng(1).random((2, 10)) < 0.5
    engine = create(engine, Problem(X, y, np.ones(10), 1.0), dtype="float64", threads=1)
    results = []
    for start in (W, np.asfortranarray(W), W.tolist()):
        state, _ = engine.round(engine.start(start), masks, 0.1, 2)
        results.append(engine.weights(state).tobytes())
    assert results[1:] == results[:-1]


def test_float32_is_float32_throughout_and_float64_the_default():
    """One round beside the reference, which turns whatever it is given into float64."""
    X, y = problem_of(4, 6, 3)
    W = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    masks = np.random.default_rng(1).random((3, 30)) < 0.5
    problem = Problem(X, y, np.ones(30), 0.5)
    single = create("primal", problem, dtype="float32", threads=1)
    state, record = single.round(single.start(W), masks, 0.1, 3)
    arrays = {**vars(state), **vars(single.engine._scratch), **single.engine._phase.scratch._asdict()}
    kinds = {name: array.dtype for name, array in arrays.items() if isinstance(array, np.ndarray)}
    assert kinds.pop("active") == np.dtype(bool)
    assert set(kinds.values()) == {np.dtype(np.float32)}
    assert {"W", "Z", "S", "total"} <= kinds.keys()
    assert record.subnetwork_errors.dtype == np.float64
    for engine in (ReferenceEngine(problem), PrimalEngine(problem)):
        exact, exact_record = engine.round(engine.start(W), masks, 0.1, 3)
        assert engine.weights(exact).dtype == np.float64
        close(single.weights(state), engine.weights(exact), relative=1e-6)
        close(record.subnetwork_errors, exact_record.subnetwork_errors, relative=1e-6)


def test_the_primal_engine_must_be_started():
    engine = create("primal", Problem(np.eye(2), np.ones(2), np.ones(3), 1.0), dtype="float64", threads=1)
    with pytest.raises(RuntimeError, match=r"^PrimalEngine: start or restore must come before any other call$"):
        engine.round(None, np.ones((1, 3), dtype=bool), 0.1, 1)


def test_the_primal_engine_allocates_nothing_of_the_size_of_the_network_in_its_local_steps():
    """A hundred more local steps raise the peak of the memory by less than one row of the network per step."""
    import tracemalloc

    X, y = problem_of(5, 50, 40)
    engine = create("primal", Problem(X, y, np.ones(2000), 0.5), dtype="float64", threads=1)
    state = engine.start(np.random.default_rng(0).standard_normal((2000, 40)))
    masks = np.random.default_rng(0).random((2, 2000)) < 0.5
    peaks = []
    for tau in (1, 1, 101):  # the first call warms up
        tracemalloc.start()
        state, _ = engine.round(state, masks, 1e-3, tau)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 100 * 8 * 50
