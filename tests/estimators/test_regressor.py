"""SubnetRegressor against the independent algorithm, exact moments, and what its parameters promise."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.exceptions import NotFittedError

import subnetlab as sl

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:200] * 20, Y[:200]
RNG = np.random.default_rng(0)
QUICK = {"random_state": 0, "rounds": 5}


def network_input(X, fitted_on):
    """What the documentation says that the network sees."""
    moved = X - fitted_on.mean(axis=0)
    scale = np.sqrt(np.mean(np.sum((fitted_on - fitted_on.mean(axis=0)) ** 2, axis=1)))
    return np.column_stack([moved / scale, np.full(len(X), X.shape[1] ** -0.5)])


def test_prediction_is_that_of_the_independent_algorithm(algorithm1):
    """Independent Subnet Training by examples/algorithm1.py, with the factor xi = 1/3 and the user's units."""
    model = sl.SubnetRegressor(
        width=30, n_subnetworks=3, rounds=8, local_steps=4, step_size=0.05, random_state=5, init_scale=0.7
    ).fit(X, Y)
    seed = np.random.RandomState(5).randint(2**31)
    network = sl.ShallowReLU.initialize(30, X.shape[1] + 1, 0.7, seed)
    from subnetlab.core.randomness import Purpose, random_words

    session_seed = int(random_words(seed, Purpose.SESSIONS, 0, 0, 1)[0])
    masks = np.array([sl.Categorical(3).sample(session_seed, k, 30) for k in range(8)])
    features, target = network_input(X, X), (Y - Y.mean()) / Y.std()
    W, _, _ = algorithm1.train(network.weights, network.output_weights, features, target, masks, 0.05, 4)
    others = RNG.standard_normal((7, X.shape[1]))
    u = algorithm1.subnetwork_output(W, network.output_weights, np.ones(30), network_input(others, X)) / 3
    np.testing.assert_allclose(model.predict(others), u * Y.std() + Y.mean(), rtol=1e-9)
    assert model.n_iter_ == 8
    assert model.step_size_ == 0.05


@pytest.mark.parametrize("engine", ["reference", "dual", "primal"])
def test_engines_agree(engine):
    expected = sl.SubnetRegressor(**QUICK).fit(X, Y).predict(X)
    np.testing.assert_allclose(sl.SubnetRegressor(engine=engine, **QUICK).fit(X, Y).predict(X), expected, rtol=1e-9)


def test_units_of_targets_and_features_do_not_matter():
    expected = sl.SubnetRegressor(**QUICK).fit(X, Y).predict(X)
    scaled = sl.SubnetRegressor(**QUICK).fit(X, 1000 * Y - 7).predict(X)
    np.testing.assert_allclose(scaled, 1000 * expected - 7, rtol=1e-8)
    moved = sl.SubnetRegressor(**QUICK).fit(0.25 * X + 3, Y).predict(0.25 * X + 3)
    np.testing.assert_allclose(moved, expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("scheme", "law"),
    [
        ("ist", sl.Categorical(3)),
        ("dropout", sl.Bernoulli(1, 0.7)),
        ("multi_sample_dropout", sl.Bernoulli(3, 0.7)),
        ("gradient_descent", sl.AllNeurons()),
        (sl.TrainingScheme(sl.Bernoulli(2, 0.4), rounds=3, batch_size=20), sl.Bernoulli(2, 0.4)),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_schemes(scheme, law):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not every scheme uses both
        model = sl.SubnetRegressor(scheme=scheme, n_subnetworks=3, selection_prob=0.7, random_state=0).fit(X, Y)
    assert model.masks_ == law
    assert model.score(X, Y) > -0.2
    steps = model.n_iter_ * (10 if scheme in ("ist", "gradient_descent") else 1)
    assert steps == (3 if isinstance(scheme, sl.TrainingScheme) else 100)


def test_the_spread_of_subnetworks_is_that_of_their_law():
    """Var f = xi (1 - xi) / m sum_r (a_r relu(z_r))^2 exactly, and u = E f; 4,000 masks, 6 standard errors."""
    model = sl.SubnetRegressor(width=40, scheme="dropout", selection_prob=0.3, random_state=0).fit(X, Y)
    inside = np.maximum(network_input(X[:20], X) @ model.network_.weights.T, 0) * model.network_.output_weights
    variance = 0.3 * 0.7 / 40 * np.sum(inside**2, axis=1)
    std = model.predict_std(X[:20], n_samples=4000)
    np.testing.assert_allclose(std, np.sqrt(variance) * Y.std(), rtol=6 / np.sqrt(2 * 4000))
    assert std.tobytes() == model.predict_std(X[:20], n_samples=4000).tobytes()
    whole = sl.SubnetRegressor(scheme="gradient_descent", **QUICK).fit(X, Y)
    np.testing.assert_allclose(whole.predict_std(X[:5]), 0, atol=1e-9)


def test_several_outputs():
    targets = np.column_stack([Y, -2 * Y, np.abs(X[:, 0]) * 30])
    model = sl.SubnetRegressor(random_state=0).fit(X, targets)
    assert model.predict(X).shape == (200, 3)
    assert model.predict_std(X, n_samples=5).shape == (200, 3)
    assert model.network_.output_weights.shape == (128, 3)
    assert model.score(X, targets) > 0.4
    column = sl.SubnetRegressor(random_state=0).fit(X, Y[:, np.newaxis])
    np.testing.assert_allclose(column.predict(X)[:, 0], sl.SubnetRegressor(random_state=0).fit(X, Y).predict(X))


def test_sample_weights_are_repetitions():
    weights = RNG.integers(0, 3, 200)
    weighted = sl.SubnetRegressor(**QUICK).fit(X, Y, sample_weight=weights)
    repeated = sl.SubnetRegressor(**QUICK).fit(np.repeat(X, weights, axis=0), np.repeat(Y, weights))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-8)


def test_partial_fit_goes_on_with_fresh_masks():
    model = sl.SubnetRegressor(random_state=0)
    scores = [model.partial_fit(X, Y).score(X, Y) for _ in range(30)]
    assert model.n_iter_ == 30
    assert scores[-1] > scores[4] > scores[0]
    long = sl.SubnetRegressor(random_state=0, rounds=30).fit(X, Y)
    assert abs(long.score(X, Y) - scores[-1]) < 0.1
    one_round = sl.SubnetRegressor(scheme="dropout", random_state=0)
    moved = []
    before = sl.ShallowReLU.initialize(128, 11, 0.05, np.random.RandomState(0).randint(2**31)).weights
    for _ in range(3):
        after = one_round.partial_fit(X, Y).network_.weights
        moved.append((after != before).any(axis=1))
        before = after
    assert all(15 < (one & other).sum() < 50 for one, other in zip(moved, moved[1:] + moved[:1], strict=True))


def test_a_pass_of_partial_fit_reads_as_many_rows_as_there_are():
    features, targets = make_friedman1(1500, random_state=0)
    model = sl.SubnetRegressor(random_state=0, batch_size=50, local_steps=5).partial_fit(features, targets)
    assert model.n_iter_ == 1500 // (50 * 5)


def test_warm_start_goes_on():
    model = sl.SubnetRegressor(warm_start=True, **QUICK).fit(X, Y)
    first = model.score(X, Y)
    assert model.fit(X, Y).n_iter_ == 10
    assert model.score(X, Y) > first
    cold = sl.SubnetRegressor(**QUICK).fit(X, Y).fit(X, Y)
    assert cold.n_iter_ == 5


def test_early_stopping_keeps_the_best_network():
    noise = RNG.standard_normal(200)
    model = sl.SubnetRegressor(
        early_stopping=True, validation_fraction=0.3, n_rounds_no_change=20, rounds=500, random_state=0
    ).fit(X, noise)
    errors = model.validation_errors_
    assert model.n_iter_ < 500
    from sklearn.model_selection import train_test_split

    seed = np.random.RandomState(0).randint(2**31)
    _, held_out = train_test_split(np.arange(200), test_size=0.3, random_state=seed)
    error = np.mean((model.predict(X[held_out]) - noise[held_out]) ** 2) / noise.var()
    assert error == pytest.approx(errors.min(), rel=1e-9)
    assert errors[-1] > errors.min()


def test_minibatches_stop_early_by_default_and_full_batches_do_not():
    features, targets = make_friedman1(1200, random_state=0)
    model = sl.SubnetRegressor(random_state=0).fit(features, targets)
    assert model.score(features, targets) > 0.85
    assert len(model.validation_errors_) == -(-model.n_iter_ // 2)
    assert not hasattr(sl.SubnetRegressor(**QUICK).fit(X, Y), "validation_errors_")


def test_output_weights_are_learned_on_request_alone():
    fixed = sl.SubnetRegressor(**QUICK).fit(X, Y)
    learned = sl.SubnetRegressor(learn_output_weights=True, **QUICK).fit(X, Y)
    assert set(np.unique(fixed.network_.output_weights)) == {-1, 1}
    assert not np.isin(learned.network_.output_weights, [-1, 1]).any()


def test_bad_scaling_is_warned_about_once_and_good_scaling_is_not():
    scaled = X * np.where(np.arange(10) < 5, 1e-4, 1)
    model = sl.SubnetRegressor(**QUICK)
    message = r"^SubnetRegressor: half of the features hold only 1e-08 of the variance of X, so .*StandardScaler"
    with pytest.warns(UserWarning, match=message) as caught:
        model.partial_fit(scaled, Y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(scaled, Y)
        sl.SubnetRegressor(**QUICK).fit(np.column_stack([X, np.ones((200, 12))]), Y)  # constants are no features


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"width": 0}, ValueError, "SubnetRegressor: width must be at least 1, got 0"),
        ({"init_scale": -1}, ValueError, "SubnetRegressor: init_scale must be above 0, got -1"),
        (
            {"scheme": "bagging"},
            ValueError,
            "SubnetRegressor: scheme must be one of 'ist', 'dropout', 'multi_sample_dropout', 'gradient_descent', "
            "got 'bagging'",
        ),
        ({"n_subnetworks": 1.5}, TypeError, "SubnetRegressor: n_subnetworks must be a whole number, got 1.5"),
        ({"selection_prob": 0}, ValueError, "SubnetRegressor: selection_prob must be in (0, 1], got 0"),
        ({"rounds": "many"}, TypeError, "SubnetRegressor: rounds must be a whole number, got 'many'"),
        ({"local_steps": 0}, ValueError, "SubnetRegressor: local_steps must be at least 1, got 0"),
        ({"step_size": 0}, ValueError, "TrainingScheme: step_size must be above 0, got 0"),
        ({"batch_size": 0}, ValueError, "SubnetRegressor: batch_size must be at least 1, got 0"),
        ({"early_stopping": "no"}, TypeError, "SubnetRegressor: early_stopping must be a bool, got str"),
        (
            {"early_stopping": True, "validation_fraction": 2},
            ValueError,
            "SubnetRegressor: validation_fraction must be in (0, 1], got 2",
        ),
        (
            {"early_stopping": True, "n_rounds_no_change": 0},
            ValueError,
            "SubnetRegressor: n_rounds_no_change must be at least 1, got 0",
        ),
        ({"n_jobs": 0}, ValueError, "SubnetRegressor: n_jobs must not be 0"),
        ({"dtype": "float16"}, ValueError, "train: dtype must be one of 'float64', 'float32', got 'float16'"),
        ({"learn_output_weights": 1}, TypeError, "train: learn_output_weights must be a bool, got int"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_bad_parameters_are_refused_and_an_earlier_fit_stays(parameters, error, message, refused):
    model = sl.SubnetRegressor(**QUICK).fit(X, Y)
    before = model.predict(X)
    with refused(error, message):
        model.set_params(**parameters).fit(X[:50, :-1], Y[:50])
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_step_that_diverges_says_so_and_an_earlier_fit_stays():
    model = sl.SubnetRegressor(**QUICK).fit(X, Y)
    before = model.predict(X)
    with pytest.raises(sl.DivergenceError, match="step_size = 1000 is too large"):
        model.set_params(step_size=1000.0, rounds=30).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_divergence_is_one_with_early_stopping_too(early_stopping):
    model = sl.SubnetRegressor(random_state=0, step_size=1000.0, rounds=300, early_stopping=early_stopping)
    with pytest.raises(sl.DivergenceError, match="step_size = 1000 is too large"):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 512}, "width must be 128 as in the first fit while training goes on, got 512"),
        ({"init_scale": 1.0}, "init_scale must be 0.05 as in the first fit while training goes on, got 1.0"),
        ({"random_state": 7}, "random_state must be 0 as in the first fit while training goes on, got 7"),
    ],
)
def test_going_on_refuses_another_start(change, said, refused):
    model = sl.SubnetRegressor(width=128, warm_start=True, **QUICK).fit(X, Y)
    before = model.predict(X)
    for go_on in (model.fit, model.partial_fit):
        model.set_params(**change)
        with refused(ValueError, f"SubnetRegressor: {said}; fit with warm_start=False begins anew"):
            go_on(X, Y)
    np.testing.assert_array_equal(model.predict(X), before)
    model.set_params(warm_start=False).fit(X, Y)


def test_going_on_takes_every_other_parameter():
    model = sl.SubnetRegressor(warm_start=True, early_stopping=True, **QUICK).fit(X, Y)
    assert len(model.validation_errors_) > 0
    change = {"scheme": "multi_sample_dropout", "n_subnetworks": 5, "selection_prob": 0.3, "step_size": 0.01}
    model.set_params(rounds=9, early_stopping=False, **change).fit(X, Y)
    assert model.masks_ == sl.Bernoulli(5, 0.3)
    assert model.step_size_ == 0.01
    assert model.n_iter_ == 14
    assert not hasattr(model, "validation_errors_")  # those of the first fit said nothing about this one


@pytest.mark.parametrize("parameter", ["early_stopping", "learn_output_weights", "warm_start", "verbose"])
def test_numpy_bools_are_bools(parameter):
    plain = sl.SubnetRegressor(**{parameter: True}, **QUICK).fit(X, Y)
    assert sl.SubnetRegressor(**{parameter: np.True_}, **QUICK).fit(X, Y).predict(X).tobytes() == (
        plain.predict(X).tobytes()
    )
    run = sl.train(sl.ShallowReLU.initialize(9, 10), X, Y, sl.gradient_descent(2), learn_output_weights=np.True_)
    assert run.settings.learn_output_weights is True


@pytest.mark.parametrize(
    ("parameters", "unused"),
    [
        ({"selection_prob": 0.9}, "selection_prob=0.9"),
        ({"scheme": "dropout", "n_subnetworks": 4, "local_steps": 3}, "n_subnetworks=4, local_steps=3"),
        ({"scheme": "gradient_descent", "n_subnetworks": 4}, "n_subnetworks=4"),
        ({"scheme": sl.dropout(0.5, 3), "rounds": 9, "batch_size": 7}, "rounds=9, batch_size=7"),
        ({"early_stopping": False, "validation_fraction": 0.2}, "validation_fraction=0.2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_that_change_nothing_are_warned_about(parameters, unused):
    model = sl.SubnetRegressor(random_state=0).set_params(**parameters)
    with pytest.warns(UserWarning, match=f"^SubnetRegressor: {unused} changes nothing with ") as caught:
        model.fit(X, Y)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_other_outputs_in_a_later_call_are_refused(refused):
    model = sl.SubnetRegressor(**QUICK).partial_fit(X, Y)
    with refused(ValueError, "SubnetRegressor: y must have the outputs () of the first fit, got (2,)"):
        model.partial_fit(X, np.column_stack([Y, Y]))


def test_weights_of_zero_are_refused():
    with pytest.raises(ValueError, match="zero"):  # by scikit-learn since 1.9, before by us
        sl.SubnetRegressor().fit(X, Y, sample_weight=np.zeros(200))


def test_predict_std_comes_after_fit_and_needs_two_subnetworks(refused):
    with pytest.raises(NotFittedError):
        sl.SubnetRegressor().predict_std(X)
    with refused(ValueError, "SubnetRegressor: n_samples must be at least 2, got 1"):
        sl.SubnetRegressor(**QUICK).fit(X, Y).predict_std(X, n_samples=1)


def test_an_interrupt_keeps_what_was_learned(monkeypatch):
    import signal

    advance = sl.TrainingSession.advance

    def interrupted_in_the_third_round(session):
        if session.rounds_done == 2:
            signal.raise_signal(signal.SIGINT)
        return advance(session)

    monkeypatch.setattr(sl.TrainingSession, "advance", interrupted_in_the_third_round)
    with pytest.warns(UserWarning, match="^training interrupted after 3 of 5 rounds$") as caught:
        model = sl.SubnetRegressor(**QUICK).fit(X, Y)
    assert caught[0].filename == __file__
    assert model.n_iter_ == 3
    monkeypatch.undo()
    expected = sl.SubnetRegressor(random_state=0, rounds=3).fit(X, Y).predict(X)
    assert model.predict(X).tobytes() == expected.tobytes()


def test_verbose_is_silent_without_a_terminal(capfd):
    sl.SubnetRegressor(verbose=True, **QUICK).fit(X, Y)
    assert capfd.readouterr() == ("", "")


def test_prediction_in_blocks_of_rows(monkeypatch):
    model = sl.SubnetRegressor(**QUICK).fit(X, Y)
    whole = model.predict(X), model.predict_std(X)
    monkeypatch.setattr("subnetlab.estimators.base._ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(model.predict(X), whole[0], rtol=1e-12)
    np.testing.assert_allclose(model.predict_std(X), whole[1], rtol=1e-10)


def test_the_order_in_memory_changes_no_bit():
    plain = sl.SubnetRegressor(**QUICK).fit(X, Y)
    turned = sl.SubnetRegressor(**QUICK).fit(np.asfortranarray(X), Y)
    np.testing.assert_array_equal(turned.network_.weights, plain.network_.weights)
    np.testing.assert_array_equal(plain.predict(np.asfortranarray(X)), plain.predict(X))


def test_values_whose_square_overflows_are_refused(refused):
    with refused(
        ValueError, "FeatureScaling: X must have a variance below the largest float64, got values up to 2e+200"
    ):
        sl.SubnetRegressor(**QUICK).fit([[1e200], [-2e200]], [0.0, 1.0])
    with refused(
        ValueError, "TargetScaling: y must have a variance below the largest float64, got values up to 1e+200"
    ):
        sl.SubnetRegressor(**QUICK).fit([[1.0], [2.0]], [0.0, 1e200])
