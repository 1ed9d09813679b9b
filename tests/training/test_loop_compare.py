"""train(..., compare="linearized"): the distance from the lazy-training model."""

import numpy as np
import pytest

import subnetlab as sl

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 5))
X /= np.linalg.norm(X, axis=1, keepdims=True)
Y = RNG.uniform(-1, 1, 12)
SCHEME = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=15, local_steps=4, step_size=0.3)


def _train(width=400, init_scale=1.0, **options):
    network = sl.ShallowReLU.initialize(width, 5, init_scale=init_scale, seed=1)
    return sl.train(network, X, Y, SCHEME, seed=2, **options)


def test_the_twin_is_a_run_of_the_linearized_engine():
    run, twin = _train(compare="linearized"), _train(engine="linearized")
    assert run.comparison.history == twin.history
    plain = _train()
    assert plain.comparison is None
    np.testing.assert_array_equal(run.network.weights, plain.network.weights)
    apart = np.linalg.norm(plain.network.weights - twin.network.weights)
    moved = np.linalg.norm(plain.network.weights - plain.initial_network.weights)
    assert run.comparison.weight_distance == pytest.approx(apart / moved)
    np.testing.assert_array_equal(
        run.comparison.error_distance, np.abs(plain.history.full_error - twin.history.full_error)
    )


def test_wide_networks_are_nearer_to_lazy_training():
    distances = [_train(width, compare="linearized").comparison.weight_distance for width in (100, 3000)]
    assert 0 < distances[1] < 0.7 * distances[0]


def test_small_weights_learn_features():
    assert _train(init_scale=0.01, compare="linearized").comparison.weight_distance > 0.3


def test_a_twin_that_diverges_is_infinitely_far():
    """One neuron, w = x = a = 1, y = -3, eta = 3: it steps to -11 and rests; frozen, it doubles its error."""
    network, one = sl.ShallowReLU(np.ones((1, 1)), np.ones(1)), np.ones((1, 1))
    run = sl.train(network, one, np.array([-3.0]), sl.gradient_descent(40, 3.0), compare="linearized")
    assert run.network.weights.item() == -11
    assert run.comparison.weight_distance == np.inf
    rounds = run.comparison.history.rounds
    assert 10 < rounds < 40
    np.testing.assert_allclose(run.comparison.error_distance[1:], 16 * 4.0 ** np.arange(1, rounds + 1) - 9)


def test_a_file_keeps_the_comparison(tmp_path):
    run = _train(compare="linearized")
    run.save(tmp_path / "run.npz")
    loaded = sl.load_run(tmp_path / "run.npz")
    assert loaded.comparison.history == run.comparison.history
    assert loaded.comparison.weight_distance == run.comparison.weight_distance
    np.testing.assert_array_equal(loaded.comparison.error_distance, run.comparison.error_distance)
    assert sl.resume(loaded, rounds=16).comparison is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compare": "lazy"}, "train: compare must be one of 'linearized', got 'lazy'"),
        ({"compare": "linearized", "loss": "logistic"}, "train: engine 'linearized' does not support losses"),
    ],
)
def test_what_cannot_be_compared_is_refused(options, message):
    targets = np.where(Y > 0, 1.0, 0.0)
    network = sl.ShallowReLU.initialize(40, 5)
    with pytest.raises(ValueError, match=message):
        sl.train(network, X, targets, SCHEME, **options)
