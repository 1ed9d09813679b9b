"""Round after round the sampled neurons are what training is, however long the intervals of what is dear."""

import numpy as np
import pytest

import subnetlab as sl


@pytest.mark.parametrize("tau", [1, 8])
def test_long_intervals_follow_gradient_descent_exactly(tau):
    """Twelve rows in four dimensions, where what crosses kinks decides how fast training is; intervals of 15 rounds."""
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(12, 4)), rng.uniform(-1, 1, 12)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    half = sl.ShallowReLU.initialize(200, 4, init_scale=0.3, seed=1).weights
    twins = sl.ShallowReLU(np.vstack([half, half]), np.repeat([1.0, -1.0], 200))
    scheme = sl.TrainingScheme(sl.AllNeurons(), rounds=150, local_steps=tau, step_size=0.5)
    run = sl.train(twins, X, y, scheme, engine="reference")
    predicted = sl.predict(sl.lazy_model(twins, X, y), scheme).full_error
    np.testing.assert_allclose(predicted, run.history.full_error, rtol=1e-6)
    assert run.history.full_error[-1] > 1e-4  # far from what rounding leaves
