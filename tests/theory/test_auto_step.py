"""The step size "auto" of a theory setting: a number, as in training."""

import numpy as np
import pytest

import subnetlab as sl

X = np.random.default_rng(0).normal(size=(5, 6))
X /= np.linalg.norm(X, axis=1, keepdims=True)
Y = np.linspace(-1, 1, 5)


@pytest.mark.parametrize("masks", [sl.Bernoulli(2, 0.5), sl.Categorical(4), sl.AllNeurons()])
def test_auto_is_that_of_training_for_a_network(masks):
    network = sl.ShallowReLU.initialize(200, 6, seed=0)
    scheme = sl.TrainingScheme(masks, rounds=2, local_steps=3)
    assert scheme.step_size == "auto"
    trained = sl.train(network, X, Y, scheme).settings.step_size
    assert sl.theory_setting(X, Y, scheme, network=network).step_size == trained


def test_auto_without_a_network_is_that_of_the_infinite_kernel():
    """Half of 2 / lambda_max, lambda_max being that of the share which a subnetwork is expected to hold."""
    scheme = sl.dropout(0.5, rounds=2)
    eta = sl.theory_setting(X, Y, scheme, width=10**6).step_size
    share = scheme.masks.largest_share(10**6)
    assert 0.5 <= share < 0.51
    assert eta == pytest.approx(1 / (share * np.linalg.eigvalsh(sl.infinite_ntk(X))[-1]))
    wide = sl.ShallowReLU.initialize(100_000, 6, seed=0)
    assert eta == pytest.approx(sl.train(wide, X, Y, scheme).settings.step_size, rel=0.05)
    small = sl.theory_setting(X, Y, sl.dropout(0.5, rounds=2, batch_size=1), width=10**6).step_size
    assert small < eta
