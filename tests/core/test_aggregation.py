"""Aggregation, against the paper's formula neuron by neuron."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnetlab.core.aggregation import UNSELECTED, aggregate, aggregation_step, selection_counts


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from(UNSELECTED))
def test_the_formula_of_the_paper(p, m, seed, unselected):
    rng = np.random.default_rng(seed)
    masks = rng.random((p, m)) < 0.4
    W, updates = rng.standard_normal((m, 3)), rng.standard_normal((p, m, 3)) * masks[:, :, np.newaxis]
    got = aggregate(W, updates, masks, unselected)
    for r in range(m):
        holders = [l for l in range(p) if masks[l, r]]
        assert selection_counts(masks)[r] == len(holders)
        assert aggregation_step(masks)[r] == (1 / len(holders) if holders else 0)
        if holders:
            mean = sum(updates[l, r] for l in holders) / len(holders)
            np.testing.assert_allclose(got[r], W[r] + mean, rtol=1e-14, atol=1e-14)
        else:
            np.testing.assert_array_equal(got[r], W[r] if unselected == "keep" else np.zeros(3))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_unselected_neurons_keep_their_bits(dtype):
    W = np.array([[-0.0, np.nextafter(dtype(1), dtype(2))], [1.0, 2.0]], dtype=dtype)
    masks = np.array([[False, True]])
    updates = np.zeros((1, 2, 2), dtype=dtype)
    got = aggregate(W, updates, masks)
    assert got.dtype == dtype
    assert got.tobytes() == W.tobytes()
    assert W is not got


def test_the_order_of_the_sum_is_that_of_the_subnetworks():
    updates = np.array([1e16, 1.0, -1e16]).reshape(3, 1, 1)
    masks = np.ones((3, 1), dtype=bool)
    assert aggregate(np.zeros((1, 1)), updates, masks)[0, 0] == 0.0  # (1e16 + 1) - 1e16 loses the 1


def test_the_arguments_stay_as_they_were():
    W, updates, masks = np.ones((2, 2)), np.ones((1, 2, 2)), np.array([[True, False]])
    for unselected in UNSELECTED:
        aggregate(W, updates, masks, unselected)
    assert (W == 1).all()
    assert (updates == 1).all()
    assert masks.tolist() == [[True, False]]
