"""Data of any size, and data that do not vary."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

import subnetlab as sl

X, Y = load_diabetes(return_X_y=True)
X, Y = 20 * X[:100], Y[:100]
RNG = np.random.default_rng(0)
QUICK = {"random_state": 0, "rounds": 5}


@pytest.mark.parametrize("size", [2.0**-1000, 2.0**-600, 1.0, 2.0**400])
def test_the_size_of_features_and_targets_changes_no_bit(size):
    expected = sl.SubnetRegressor(**QUICK).fit(X, Y).predict(X)
    np.testing.assert_array_equal(sl.SubnetRegressor(**QUICK).fit(size * X, Y).predict(size * X), expected)
    np.testing.assert_array_equal(sl.SubnetRegressor(**QUICK).fit(X, size * Y).predict(X), size * expected)
    both = sl.SubnetRegressor(**QUICK).fit(X, np.column_stack([Y, size * Y])).predict(X)
    assert both.shape == (100, 2)
    assert np.var(both[:, 1] / size) > 0.1 * np.var(expected)


@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e300])
def test_weights_of_any_size_train_under_the_automatic_step(size):
    expected = sl.SubnetRegressor(**QUICK).fit(X, Y)
    model = sl.SubnetRegressor(**QUICK).fit(X, Y, sample_weight=np.full(100, size))
    assert model.score(X, Y) == pytest.approx(expected.score(X, Y), rel=0.02)


@pytest.mark.parametrize("n_samples", [50, 600])
@pytest.mark.parametrize("noise", [0.0, 1e-16, 1e-14])
def test_rows_that_do_not_vary_teach_the_mean(n_samples, noise):
    constant = 0.1 + noise * RNG.standard_normal((n_samples, 3))
    y = RNG.standard_normal(n_samples)
    answers = sl.SubnetRegressor(random_state=0).fit(constant, y).predict(RNG.standard_normal((20, 3)))
    assert np.all(abs(answers - y.mean()) < 0.5)


@pytest.mark.parametrize("value", [0.0, 1e-6, 1e-300, -5.0, 0.1])
def test_constant_targets_are_predicted_as_they_are(value):
    model = sl.SubnetRegressor(random_state=0).fit(X, np.full(100, value))
    np.testing.assert_allclose(model.predict(X), value, rtol=1e-14, atol=0)
    assert not model.predict_std(X).any()


def test_targets_that_begin_to_vary_are_learned():
    model = sl.SubnetRegressor(random_state=0, warm_start=True).fit(X, np.full(100, 3.0))
    varying = 3 + X[:, 0]
    assert model.fit(X, varying).score(X, varying) > 0.9
    online = sl.SubnetRegressor(random_state=0)
    for row in range(100):
        online.partial_fit(X[row : row + 1], varying[row : row + 1])
    assert online.score(X, varying) > 0.3


def test_constant_columns_are_no_badly_scaled_features():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = sl.SubnetRegressor(**QUICK).fit(np.column_stack([X, np.full((100, 12), 0.1)]), Y)
    assert model.n_features_in_ == X.shape[1] + 12
