"""What a run records, against direct computation."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.core.record import RoundRecord
from subnetlab.engines.table import ENGINES
from subnetlab.history import History, HistoryBuilder
from subnetlab.theory.table import THEOREMS

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 3))
Y = rng.uniform(-1, 1, 6)
X_V, Y_V = rng.standard_normal((4, 3)), rng.uniform(-1, 1, 4)
NETWORK = sl.ShallowReLU.initialize(30, 3)
K, TAU, P = 5, 3, 4
SCHEME = sl.TrainingScheme(sl.Bernoulli(P, 0.4), rounds=K, local_steps=TAU, step_size=0.2)


def test_shapes_and_what_is_left_out():
    history = sl.train(NETWORK, X, Y, SCHEME).history
    assert history.rounds == K
    assert history.sampled_error.shape == (K,)
    assert history.local_error.shape == (K, TAU)
    assert history.full_error.shape == (K + 1,)
    assert history.subnetwork_errors is None
    assert (history.validation_error, history.pattern_change, history.weight_movement) == (None, None, None)
    assert set(history.arrays()) == {"sampled_error", "local_error", "full_error"}


def test_errors_of_the_first_round_and_of_the_end_by_direct_computation():
    run = sl.train(NETWORK, X, Y, SCHEME, seed=3, record="subnetworks")
    errors = run.history.subnetwork_errors
    assert errors.shape == (K, TAU + 1, P)
    for l, mask in enumerate(SCHEME.masks.sample(3, 0, 30)):
        weights = NETWORK.weights
        for t in range(TAU + 1):
            network = sl.ShallowReLU(weights, NETWORK.output_weights)
            error = np.sum((Y - network.subnetwork_output(X, mask)) ** 2)
            assert errors[0, t, l] == pytest.approx(error, rel=1e-12)
            weights = weights - 0.2 * network.subnetwork_gradient(X, Y, mask)
    np.testing.assert_allclose(run.history.sampled_error, errors[:, 0].mean(axis=1), rtol=1e-15)
    np.testing.assert_allclose(run.history.local_error, errors[:, 1:].mean(axis=2), rtol=1e-15)
    for k, network in ((0, NETWORK), (K, run.network)):
        u = network.output(X, 0.4)
        assert run.history.full_error[k] == pytest.approx(np.sum((Y - u) ** 2), rel=1e-12)


@pytest.mark.parametrize("engine", ["reference", "primal"])
def test_diagnostics_and_validation_by_direct_computation(engine):
    states = [NETWORK.weights]
    run = sl.train(
        NETWORK,
        X,
        Y,
        SCHEME,
        engine=engine,
        diagnostics=("patterns", "movement"),
        validation=(X_V, Y_V),
        on_round=lambda session: states.append(session.run().network.weights),
    )
    for k, W in enumerate(states):
        u = sl.ShallowReLU(W, NETWORK.output_weights).output(X_V, 0.4)
        assert run.history.validation_error[k] == pytest.approx(np.sum((Y_V - u) ** 2), rel=1e-12)
        changed = [(W[r] @ x >= 0) != (NETWORK.weights[r] @ x >= 0) for r in range(30) for x in X]
        assert run.history.pattern_change[k] == np.mean(changed)
        moved = max(np.linalg.norm(W[r] - NETWORK.weights[r]) for r in range(30))
        assert run.history.weight_movement[k] == pytest.approx(moved, rel=1e-12)
    assert run.history.pattern_change[0] == run.history.weight_movement[0] == 0
    assert run.history.pattern_change[-1] > 0


def test_a_neuron_at_the_kink_is_active():
    at_rest = sl.ShallowReLU(np.array([[0.0, 1.0]]), np.array([1.0]))
    rows, y = np.array([[1.0, 0.0]]), np.array([0.0])  # z = 0 and no error, so that it stays there
    run = sl.train(at_rest, rows, y, sl.gradient_descent(2, 0.1), diagnostics=("patterns",))
    np.testing.assert_array_equal(run.history.pattern_change, 0)


def test_the_validation_error_of_several_outputs():
    signs = np.sign(rng.standard_normal((30, 2)))
    network = sl.ShallowReLU(NETWORK.weights, signs)
    y, y_v = rng.uniform(-1, 1, (6, 2)), rng.uniform(-1, 1, (4, 2))
    run = sl.train(network, X, y, SCHEME, validation=(X_V, y_v))
    assert "outputs" in ENGINES[run.settings.engine].capabilities
    u = run.network.output(X_V, 0.4)
    assert run.history.validation_error[-1] == pytest.approx(np.sum((y_v - u) ** 2), rel=1e-12)


def test_only_the_diagnostics_asked_for_are_recorded():
    movement = sl.train(NETWORK, X, Y, SCHEME, diagnostics=["movement"]).history
    assert set(movement.arrays()) == {"sampled_error", "local_error", "full_error", "weight_movement"}
    patterns = sl.train(NETWORK, X, Y, SCHEME, diagnostics=("patterns",)).history
    assert set(patterns.arrays()) == {"sampled_error", "local_error", "full_error", "pattern_change"}


@pytest.mark.parametrize("keep", [False, True])
def test_a_history_without_rounds_keeps_its_shapes(keep):
    builder = HistoryBuilder(keep_subnetworks=keep, n_subnetworks=P, local_steps=TAU)
    builder.add_state(full_error=2.0)
    history = builder.build()
    assert history.rounds == 0
    assert history.sampled_error.shape == (0,)
    assert history.local_error.shape == (0, TAU)
    assert history.full_error.tolist() == [2.0]
    assert history.subnetwork_errors is None if not keep else history.subnetwork_errors.shape == (0, TAU + 1, P)
    again = HistoryBuilder.continuing(history, n_subnetworks=P, local_steps=TAU).build()
    assert again == history


def test_equality_of_histories():
    history = sl.train(NETWORK, X, Y, SCHEME, diagnostics=("movement",)).history
    assert history == History.from_arrays(history.arrays())
    changed = {**history.arrays(), "full_error": history.full_error + 1}
    fewer = {name: values for name, values in history.arrays().items() if name != "weight_movement"}
    assert history != History.from_arrays(changed)
    assert history != History.from_arrays(fewer)
    assert history != "history"
    with_nan = {**history.arrays(), "full_error": np.full(K + 1, np.nan)}
    assert History.from_arrays(with_nan) == History.from_arrays(with_nan)


def test_a_session_shows_where_it_is():
    session = sl.TrainingSession(NETWORK, X, Y, SCHEME, seed=3)
    assert (session.rounds_done, session.run().status) == (0, "unfinished")
    assert session.run().network.weights.tobytes() == NETWORK.weights.tobytes()
    record = session.advance()
    assert record.subnetwork_errors.shape == (TAU + 1, P)
    assert session.run().history.full_error[-1] == record.full_error
    for _ in range(K - 1):
        session.advance()
    assert (session.rounds_done, session.run().status) == (K, "finished")
    assert session.scheme is SCHEME
    assert session.settings.seed == 3
    assert session.run().history == sl.train(NETWORK, X, Y, SCHEME, seed=3).history


def test_on_round_is_called_after_every_round():
    seen = []
    sl.train(NETWORK, X, Y, SCHEME, on_round=lambda session: seen.append(session.rounds_done))
    assert seen == [1, 2, 3, 4, 5]


def test_an_error_in_on_round_stops_the_run_as_it_is():
    with pytest.raises(ZeroDivisionError):
        sl.train(NETWORK, X, Y, SCHEME, on_round=lambda session: 1 / 0)


@pytest.fixture
def everything():
    """A run that measured all there is, on other numbers of rows, features, steps and subnetworks."""
    options = {"record": "subnetworks", "diagnostics": ("patterns", "movement"), "validation": (X, Y)}
    return sl.train(NETWORK, X, Y, SCHEME, **options)


def test_as_an_xarray_dataset(everything):
    """Every array by its name, and equal sizes under one name."""
    history = everything.history
    table = history.to_xarray()
    assert dict(table.sizes) == {"round": K, "step": TAU, "state": K + 1, "substep": TAU + 1, "subnetwork": P}
    assert {name: array.values.tobytes() for name, array in table.items()} == {
        name: values.tobytes() for name, values in history.arrays().items()
    }
    np.testing.assert_allclose(table.subnetwork_errors.isel(substep=0).mean("subnetwork"), table.sampled_error)


def test_as_a_data_frame(everything):
    """A row per state: what stood there, and what was measured in the round before."""
    history = everything.history
    frame = history.to_dataframe()
    assert frame.index.tolist() == list(range(K + 1))
    assert frame.index.name == "rounds"
    assert frame.full_error.tolist() == history.full_error.tolist()
    assert frame.validation_error.tolist() == history.validation_error.tolist()
    assert frame.sampled_error[1:].tolist() == history.sampled_error.tolist()
    assert frame[f"local_error_{TAU}"][1:].tolist() == history.local_error[:, -1].tolist()
    assert frame.isna().sum().sum() == 1 + TAU  # in row 0, before any round
    assert "subnetwork_errors" not in frame


def test_predict_is_the_output_with_the_factor_xi(everything):
    """u = (xi / sqrt m) relu(X W') a, written out."""
    rows = np.linspace(-1, 1, 3 * X.shape[1]).reshape(3, -1)
    W, a = everything.network.weights, NETWORK.output_weights
    u = SCHEME.masks.selection_prob / np.sqrt(len(W)) * np.maximum(rows @ W.T, 0) @ a
    np.testing.assert_allclose(everything.predict(rows), u, rtol=1e-12)
    np.testing.assert_allclose(everything.predict(rows.tolist()), u, rtol=1e-12)
    np.testing.assert_allclose(np.sum((Y - everything.predict(X)) ** 2), everything.history.full_error[-1])
    with pytest.raises(ValueError, match=r"^predict: X must have the network's \d+ features, got 1$"):
        everything.predict(rows[:, :1])


def test_summaries_are_a_few_lines_and_no_arrays(everything):
    data = sl.load_dataset("diabetes", n_samples=7)
    scheme = sl.dropout(0.5, 3, 0.1)
    setting = sl.theory_setting(data.X, data.y, scheme, width=50)
    wide = sl.ShallowReLU.initialize(5, 2, n_outputs=3)
    prediction = sl.predict(sl.average_lazy_model(data.X, data.y, 50), scheme)
    run = sl.train(NETWORK, X, Y, SCHEME, record="none", compare="linearized")
    promises = [theorem(setting, "paper") for theorem in THEOREMS.values()]
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    verdict = sl.train(NETWORK, unit, Y, SCHEME).theory()
    models = [sl.lazy_model(NETWORK, unit, Y), sl.average_lazy_model(data.X, data.y, 50), verdict]
    things = [
        *models,
        everything,
        everything.history,
        everything.data,
        data,
        wide,
        prediction,
        run,
        run.comparison,
        *promises,
    ]
    for thing in things:
        assert repr(thing).startswith(f"{type(thing).__name__}(")
        assert "array(" not in repr(thing)
        assert "nan" not in repr(run)
        assert len(repr(thing).splitlines()) <= 5
        assert all(len(line) <= 250 for line in repr(thing).splitlines())
    assert repr(wide) == "ShallowReLU(width=5, n_features=2, n_outputs=3)"
    assert repr(data) == "Dataset('diabetes', X (7, 10), targets (7,))"
    first, *_ = repr(everything).splitlines()
    error = everything.history.full_error
    assert first == f"TrainingRun({K} of {K} rounds, finished, error {error[0]:.4g} -> {error[-1]:.4g})"


@pytest.mark.parametrize("rounds", [0, 3])
def test_the_errors_of_subnetworks_say_their_means(rounds):
    """What a launch keeps in its checkpoints is the whole history."""
    builder = HistoryBuilder(keep_subnetworks=True, n_subnetworks=3, local_steps=2)
    builder.add_state(full_error=5.0)
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        builder.add_round(RoundRecord(rng.random((3, 3)), 4.0))
        builder.add_state(full_error=4.0)
    history = History.from_arrays(builder.recorded())
    assert history == builder.build()
    assert history.local_error.shape == (rounds, 2)
    np.testing.assert_array_equal(
        history.sampled_error, [np.mean(errors[0]) for errors in builder.recorded()["subnetwork_errors"]]
    )
