"""float32 against float64: the tolerances that docs/numerics.md states, on a small problem.

`python benchmarks/float32_error.py` measures them; the limits here leave a factor of about five.
"""

import numpy as np
import pytest

import subnetlab as sl


def problem(seed):
    """Correlated unit rows, as raw data has them."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (50, 30))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.uniform(0, 1, 50)


@pytest.mark.parametrize(
    ("law", "tau", "errors", "moved"),
    [
        (sl.AllNeurons(), 1, 1e-5, 1e-3),
        (sl.Bernoulli(1, 0.5), 1, 1e-4, 1e-3),
        (sl.Bernoulli(10, 0.5), 1, 1e-4, 1e-3),
        (sl.Bernoulli(4, 0.5), 10, 5e-2, 0.2),
        (sl.Categorical(4), 10, 5e-2, 0.2),
    ],
    ids=repr,
)
def test_float32_stays_within_the_stated_tolerance(law, tau, errors, moved):
    X, y = problem(0)
    network = sl.ShallowReLU.initialize(500, 30)
    scheme = sl.TrainingScheme(law, rounds=200 if tau == 1 else 40, local_steps=tau)
    double, single = (sl.train(network, X, y, scheme, engine="primal", dtype=dtype) for dtype in ("float64", "float32"))
    assert single.network.weights.dtype == np.float32
    assert single.history.full_error.dtype == np.float64  # sums are accumulated in double precision
    W64, W32 = double.network.weights, single.network.weights
    apart = np.linalg.norm(W32 - W64) / np.linalg.norm(W64 - network.weights)
    assert 0 < apart < moved
    for name in ("full_error", "sampled_error", "local_error"):
        exact = getattr(double.history, name)
        assert np.abs(getattr(single.history, name) - exact).max() < errors * exact.max()
