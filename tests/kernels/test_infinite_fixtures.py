"""Our kernels against those of neural-tangents, JAX and torch.func, as tests/fixtures/make_kernels.py stored them."""

import json
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.kernels.deep import deep_infinite_ntk

STORED = json.loads((Path(__file__).parents[1] / "fixtures" / "kernels.json").read_text(encoding="utf-8"))
X = np.array(STORED["X"])
NETWORK = sl.ShallowReLU(np.array(STORED["weights"]), np.array(STORED["signs"]))
MASK = np.array(STORED["mask"])


def test_infinite_kernel_of_the_first_layer():
    np.testing.assert_allclose(sl.infinite_ntk(X), STORED["first_layer"], rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_infinite_kernel_of_all_layers(n_hidden):
    np.testing.assert_allclose(deep_infinite_ntk(X, n_hidden), STORED["all_layers"][str(n_hidden)], rtol=0, atol=1e-12)


@pytest.mark.parametrize("peer", ["torch", "jax"])
def test_finite_and_masked_kernel_by_automatic_differentiation(peer):
    np.testing.assert_allclose(sl.finite_ntk(NETWORK, X), STORED[f"finite_{peer}"], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(sl.masked_ntk(NETWORK, X, MASK), STORED[f"masked_{peer}"], rtol=1e-13, atol=1e-15)


def test_two_rows_are_near_and_no_neuron_is_at_a_kink():
    """What makes the comparison worth something."""
    assert 1e-4 < np.linalg.norm(X[0] - X[4]) < 1e-2
    assert np.min(np.abs(NETWORK.weights @ X.T)) > 1e-3
    assert 0 < MASK.sum() < len(MASK)
