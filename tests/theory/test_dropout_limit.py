"""Where dropout ends with patterns fixed, and what it says of new rows."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.dropout_limit import dropout_limit
from subnetlab.theory.neuron_noise import dropout_bias


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


# few rows and many features, and the other way round: what training cannot reach, and rows that no neuron can fit
SHAPES = [(5, 8), (9, 3)]


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("from_network", [True, False])
def test_it_is_where_gradient_descent_on_the_penalised_error_ends(n, d, from_network):
    """The mean over masks of a dropout step, with patterns of the start, iterated in the weights until it stands."""
    X, y, new, m, xi = rows(n, d), np.linspace(-1, 1, n), rows(20, d, 1), 12, 0.6
    net = sl.ShallowReLU.initialize(m, d, 0.7, seed=3)
    a, on = net.output_weights, net.weights @ X.T >= 0
    W = net.weights.copy() if from_network else np.zeros((m, d))
    for _ in range(15_000):
        s = on * (W @ X.T)
        left = xi / np.sqrt(m) * a @ s - y
        W = W - 1.5 * (on * (xi / np.sqrt(m) * np.outer(a, left) + xi * (1 - xi) / m * s)) @ X
    wanted = xi / np.sqrt(m) * a @ ((net.weights @ new.T >= 0) * (W @ new.T))
    limit = dropout_limit(net, X, y, xi, from_network=from_network)
    np.testing.assert_allclose(limit.predict(new), wanted, atol=1e-6)
    np.testing.assert_allclose(limit.error, xi / np.sqrt(m) * a @ (on * (W @ X.T)) - y, atol=1e-6)
    np.testing.assert_allclose(limit.predict(X) - y, limit.error, atol=1e-9)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_its_error_on_the_training_rows_is_the_bias_of_dropout(n, d):
    X, y = rows(n, d), np.linspace(-1, 1, n)
    net = sl.ShallowReLU.initialize(60, d, seed=1)
    bias = dropout_bias(sl.lazy_model(net, X, y, n_patterns=60), 0.3)
    np.testing.assert_allclose(dropout_limit(net, X, y, 0.3).error, -bias, rtol=1e-8, atol=1e-12)


def test_a_run_of_linearized_dropout_ends_there():
    """Masks, not their mean: many rounds of the linearized engine, up to the noise that is left."""
    X, y, new = rows(4, 3), np.array([1.0, -1.0, 0.5, 0.2]), rows(30, 3, 1)
    net = sl.ShallowReLU.initialize(16, 3, 0.3, seed=0)
    scheme = sl.multi_sample_dropout(16, 0.5, rounds=1500, step_size=1.0)
    run = sl.train(net, X, y, scheme, engine="linearized", record="none")
    on = net.weights @ new.T >= 0
    of_run = 0.5 / 4 * net.output_weights @ (on * (run.network.weights @ new.T))
    limit = dropout_limit(net, X, y, 0.5).predict(new)
    start = net.output(new, 0.5)
    assert np.linalg.norm(of_run - limit) < 0.1 * np.linalg.norm(start - limit)


def test_wide_networks_of_many_features_average_interpolations():
    """With more features than rows each neuron interpolates the rows it is active on, and u is their mean."""
    X, y, new = rows(3, 10), np.array([1.0, -1.0, 0.5]), rows(5, 10, 1)
    net = sl.ShallowReLU.initialize(4000, 10, seed=0)
    fits, counts = np.zeros(5), np.zeros(3)
    for w in net.weights:
        on = X @ w >= 0
        counts += on
    for w in net.weights:  # least weights that meet y_i m / (how many neurons are active on row i)
        on = X @ w >= 0
        if on.any():
            slope = np.linalg.lstsq(X[on], (y / counts)[on], rcond=None)[0]
            fits += (new @ w >= 0) * (new @ slope)
    limit = dropout_limit(net, X, y, 0.5, from_network=False)
    np.testing.assert_allclose(limit.predict(new), fits, rtol=2e-3, atol=1e-4)


def test_what_it_refuses(refused):
    net = sl.ShallowReLU.initialize(5, 3)
    with refused(ValueError, "dropout_limit: selection_prob must be below 1, got 1: without masks there is no penalty"):
        dropout_limit(net, np.eye(3), np.ones(3), 1.0)
    with refused(
        ValueError,
        "dropout_limit: network must have one output and 2 features, got ShallowReLU(width=5, n_features=3)",
    ):
        dropout_limit(net, np.eye(2), np.ones(2), 0.5)
    with refused(TypeError, "dropout_limit: network must be a ShallowReLU, got NoneType"):
        dropout_limit(None, np.eye(3), np.ones(3), 0.5)
    with refused(TypeError, "dropout_limit: from_network must be a bool, got str"):
        dropout_limit(net, np.eye(3), np.ones(3), 0.5, from_network="no")


def test_rows_that_it_cannot_predict_are_refused(refused):
    limit = dropout_limit(sl.ShallowReLU.initialize(5, 3), np.eye(3), np.ones(3), 0.5)
    with refused(ValueError, "DropoutLimit: X must have the network's 3 features, got 2"):
        limit.predict(np.eye(2))
    with refused(ValueError, "DropoutLimit: X must have shape (n_samples, n_features), got (3,)"):
        limit.predict(np.ones(3))
    with refused(ValueError, "DropoutLimit: X must be finite, got nan at (1, 2) (1 such values)"):
        limit.predict([[1.0, 0, 0], [1, 0, np.nan]])
