"""Predictions against linear training with frozen patterns and against Algorithm 1 itself."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.neuron_noise import dropout_bias


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X = rows(6, 8)
Y = np.linspace(-1, 1, 6)


def frozen_errors(network, masks, tau, eta, rounds, seed):
    """|y - u_k|^2 and mean |y - f^l|^2 of Algorithm 1 with the patterns of the start, by arrays of outputs."""
    m, xi = network.width, masks.selection_prob
    feature = (X @ network.weights.T >= 0).T * network.output_weights[:, None] / np.sqrt(m)  # (m, n)
    z = network.weights @ X.T
    gram = X @ X.T
    full, sampled = [np.sum((xi * np.sum(feature * z, axis=0) - Y) ** 2)], []
    for k in range(rounds):
        chosen = masks.sample(seed, k, m)
        total, start_errors = np.zeros_like(z), []
        for mask in chosen:
            part = feature * mask[:, None]
            local = z.copy()
            start_errors.append(np.sum((np.sum(part * z, axis=0) - Y) ** 2))
            for _ in range(tau):
                local -= eta * (part * (np.sum(part * local, axis=0) - Y)) @ gram
            total += local - z
        z = z + total / np.maximum(chosen.sum(axis=0), 1)[:, None]
        sampled.append(np.mean(start_errors))
        full.append(np.sum((xi * np.sum(feature * z, axis=0) - Y) ** 2))
    return np.array(full), np.array(sampled)


CASES = [
    (sl.Bernoulli(1, 0.5), 1),
    (sl.Bernoulli(3, 0.3), 4),
    (sl.Bernoulli(2, 0.8), 2),
    (sl.Categorical(3), 1),
    (sl.Categorical(4), 5),
    (sl.AllNeurons(), 3),
]


@pytest.mark.parametrize(("masks", "tau"), CASES)
def test_prediction_of_frozen_training(masks, tau):
    """Mean of 40 mask seeds: within four standard errors and one per cent (order 1/m)."""
    network = sl.ShallowReLU.initialize(2000, 8, seed=3)
    scheme = sl.TrainingScheme(masks, rounds=12, local_steps=tau, step_size=0.9)
    prediction = sl.predict(sl.lazy_model(network, X, Y), scheme, patterns="frozen")
    runs = [frozen_errors(network, masks, tau, 0.9, 12, seed) for seed in range(40)]
    for measured, predicted in zip(
        (np.array([r[0] for r in runs]), np.array([r[1] for r in runs])),
        (prediction.full_error, prediction.sampled_error),
        strict=True,
    ):
        standard_error = measured.std(axis=0, ddof=1) / np.sqrt(40)
        allowed = 4 * standard_error + 0.01 * predicted + 1e-3
        assert np.all(np.abs(measured.mean(axis=0) - predicted) <= allowed)


def test_categorical_noise_of_frozen_training():
    """After the mean has gone only the noise of order 1/m is left: the average of 100 rounds, to 20 per cent."""
    masks, predicted = sl.Categorical(3), []
    scheme = sl.TrainingScheme(masks, rounds=150, local_steps=2, step_size=1.5)
    for width in (1000, 4000):
        network = sl.ShallowReLU.initialize(width, 8, seed=3)
        predicted.append(sl.predict(sl.lazy_model(network, X, Y), scheme, patterns="frozen"))
    level = np.mean([frozen_errors(network, masks, 2, 1.5, 150, seed)[0][50:].mean() for seed in range(5)])
    assert level == pytest.approx(predicted[1].full_error[50:].mean(), rel=0.2)
    assert predicted[0].plateau / predicted[1].plateau == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("masks", [sl.Bernoulli(2, 0.5), sl.Categorical(2)])
def test_prediction_of_real_training(masks):
    """Algorithm 1 itself at width 16,384: within ten per cent or two standard errors of 20 mask seeds."""
    network = sl.ShallowReLU.initialize(16_384, 8, seed=3)
    scheme = sl.TrainingScheme(masks, rounds=8, local_steps=1, step_size=1.0)
    errors = np.array([sl.train(network, X, Y, scheme, seed=s).history.full_error for s in range(20)])
    predicted = sl.predict(sl.lazy_model(network, X, Y), scheme).full_error
    allowed = np.maximum(0.1 * predicted, 2 * errors.std(axis=0, ddof=1) / np.sqrt(20))
    assert np.all(np.abs(errors.mean(axis=0) - predicted) <= allowed)


def test_gradient_descent_is_predicted_exactly_while_patterns_hold():
    network = sl.ShallowReLU.initialize(50_000, 8, seed=0)
    scheme = sl.gradient_descent(rounds=30, step_size=1.0)
    predicted = sl.predict(sl.lazy_model(network, X, Y), scheme, patterns="frozen")
    H = sl.finite_ntk(network, X)
    error = network.output(X) - Y
    by_powers = [np.sum((np.linalg.matrix_power(np.eye(6) - H, k) @ error) ** 2) for k in range(31)]
    np.testing.assert_allclose(predicted.full_error, by_powers, rtol=1e-9)
    assert np.all(predicted.noise_part == 0)
    np.testing.assert_allclose(
        sl.train(network, X, Y, scheme).history.full_error, predicted.full_error, rtol=0.05, atol=2e-3
    )


def test_average_over_initial_networks():
    """The mean of 200 networks' predictions; five standard errors."""
    scheme = sl.dropout(0.5, rounds=10, step_size=1.0)
    several = np.array(
        [
            sl.predict(sl.lazy_model(net, X, Y, n_neurons=64), scheme, patterns="frozen").full_error
            for net in (sl.ShallowReLU.initialize(2000, 8, 0.7, seed=s) for s in range(200))
        ]
    )
    average = sl.predict(sl.average_lazy_model(X, Y, 2000, 0.7), scheme).full_error
    allowed = 5 * several.std(axis=0, ddof=1) / np.sqrt(200) + 0.005
    assert np.all(np.abs(several.mean(axis=0) - average) <= allowed)
    assert average[0] == pytest.approx(np.sum(Y**2) + 6 * 0.5**2 * 0.7**2 / 2)  # E |y - u_0|^2


def test_dropout_bias_is_the_minimum_of_the_penalised_error():
    network = sl.ShallowReLU.initialize(60, 8, seed=1)
    xi = 0.6
    bias = dropout_bias(sl.lazy_model(network, X, Y, n_patterns=60), xi)
    active = (X @ network.weights.T >= 0).T  # (m, n)
    feature = (active * network.output_weights[:, None])[:, :, None] * X[None] / np.sqrt(60)  # (m, n, d)
    J = feature.transpose(1, 0, 2).reshape(6, -1)
    penalty = np.zeros((J.shape[1], J.shape[1]))
    for r in range(60):
        block = slice(8 * r, 8 * r + 8)
        penalty[block, block] = xi * (1 - xi) * feature[r].T @ feature[r]
    W = np.linalg.lstsq(xi**2 * J.T @ J + penalty, xi * J.T @ Y, rcond=None)[0]
    np.testing.assert_allclose(bias, Y - xi * J @ W, atol=1e-9)
    assert np.all(dropout_bias(sl.lazy_model(network, X, Y), 1.0) == 0)


def test_small_steps_have_a_low_plateau():
    model = sl.lazy_model(sl.ShallowReLU.initialize(500, 8, seed=0), X, Y)
    assert sl.predict(model, sl.gradient_descent(1, 1e-5)).plateau == 0
    small, smaller = (sl.predict(model, sl.dropout(0.5, 1, eta)).plateau for eta in (1e-4, 1e-5))
    assert smaller == pytest.approx(small / 10, rel=1e-3)  # rho = 1 - theta eta h, noise of order eta^2


def test_unstable_steps_have_no_floor():
    network = sl.ShallowReLU.initialize(500, 8, seed=0)
    prediction = sl.predict(sl.lazy_model(network, X, Y), sl.dropout(0.5, rounds=5, step_size=100.0))
    assert prediction.floor == prediction.plateau == np.inf


def test_the_default_is_the_best_that_there_is():
    network = sl.ShallowReLU.initialize(50, 8, seed=0)
    scheme = sl.dropout(0.5, rounds=2, step_size=0.1)
    assert sl.predict(sl.lazy_model(network, X, Y), scheme).patterns == "moving"
    assert sl.predict(sl.average_lazy_model(X, Y, 50), scheme).patterns == "frozen"
    many = rows(301, 8)
    assert sl.predict(sl.lazy_model(network, many, many[:, 0], n_neurons=1), scheme).patterns == "frozen"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step_size": "auto"}, "predict: step_size must be given as a number, the scheme has 'auto'"),
        (
            {"shards": 3},
            "predict: shards must be at most the number of subnetworks 2, got 3: nobody trains on the others",
        ),
        ({"batch_size": 7}, "TrainingScheme: batch_size must be at most the number of rows 6, got 7"),
        ({"unselected": "zero"}, "predict: unselected must be 'keep', got 'zero': the prediction is not about it"),
    ],
)
def test_schemes_it_is_not_about_are_refused(change, message, refused):
    network = sl.ShallowReLU.initialize(50, 8, seed=0)
    settings = {"masks": sl.Bernoulli(2, 0.5), "rounds": 2, "step_size": 0.1, **change}
    with refused(ValueError, message):
        sl.predict(sl.lazy_model(network, X, Y), sl.TrainingScheme(**settings))


def test_bad_networks_are_refused(refused):
    with refused(ValueError, "lazy_model: network must have signs -1 or +1, got 2.0"):
        sl.lazy_model(sl.ShallowReLU(np.ones((3, 8)), np.full(3, 2.0)), X, Y)
    with refused(ValueError, "lazy_model: network must have one output, got signs of shape (3, 2)"):
        sl.lazy_model(sl.ShallowReLU(np.ones((3, 8)), np.ones((3, 2))), X, Y)
    with pytest.raises(ValueError, match="network's 3 features"):
        sl.lazy_model(sl.ShallowReLU.initialize(5, 3), X, Y)
    with pytest.raises(ValueError, match="init_scale must be above 0"):
        sl.average_lazy_model(X, Y, 10, 0.0)
    with refused(ValueError, "lazy_model: n_patterns must be at least 1, got 0"):
        sl.lazy_model(sl.ShallowReLU.initialize(5, 8), X, Y, n_patterns=0)
    with refused(ValueError, "average_lazy_model: seed must be at least 0, got -1"):
        sl.average_lazy_model(X, Y, 10, seed=-1)
    with pytest.raises(ValueError, match="average_lazy_model: y must have one output"):
        sl.average_lazy_model(X, np.column_stack([Y, Y]), 10)


def test_a_step_size_given_beside_the_scheme_obeys_its_rule(refused):
    model = sl.lazy_model(sl.ShallowReLU.initialize(50, 8, seed=0), X, Y)
    with refused(ValueError, "predict: step_size must be above 0, got -0.1"):
        sl.predict(model, sl.dropout(0.5, rounds=2, step_size=0.1), -0.1)


def test_arguments_of_another_kind_are_refused(refused):
    model = sl.lazy_model(sl.ShallowReLU.initialize(50, 8, seed=0), X, Y)
    with refused(TypeError, "predict: model must be a LazyModel, got ndarray"):
        sl.predict(X, sl.gradient_descent(1, 0.1))
    with refused(TypeError, "predict: scheme must be a TrainingScheme, got Bernoulli"):
        sl.predict(model, sl.Bernoulli(2, 0.5))
    with refused(TypeError, "lazy_model: network must be a ShallowReLU, got NoneType"):
        sl.lazy_model(None, X, Y)


def test_a_scale_whose_square_overflows_is_refused(refused):
    with refused(ValueError, "average_lazy_model: init_scale must be at most 1e+150, got 1e+200"):
        sl.average_lazy_model(X, Y, 10, 1e200)


@pytest.mark.parametrize("rows", [{}, {"shards": 2}, {"batch_size": 3}], ids=str)
@pytest.mark.parametrize(("step_size", "local_steps"), [(50.0, 20), (1e3, 300), (1e5, 50), (1e200, 3)])
@pytest.mark.parametrize("patterns", ["moving", "frozen"])
def test_a_step_that_is_far_too_large_ends_in_infinity(patterns, step_size, local_steps, rows):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((8, 6)) / 3, rng.uniform(-1, 1, 8)
    net = sl.ShallowReLU.initialize(500, 6, init_scale=1.0, seed=0)
    model, law = sl.lazy_model(net, X, y), sl.Bernoulli(4, 0.5)
    scheme = sl.TrainingScheme(law, rounds=20, local_steps=local_steps, **rows)
    prediction = sl.predict(model, scheme, step_size, patterns=patterns)
    np.testing.assert_allclose(prediction.full_error[0], np.sum((net.output(X, 0.5) - y) ** 2), rtol=1e-6)
    assert prediction.full_error[-1] == prediction.local_error[-1, -1] == prediction.floor == np.inf
