"""Made data: its lambda_0 is the one chosen, by the kernel room's own formula."""

import numpy as np
import pytest

from subnetlab.core.inputs import has_unit_rows
from subnetlab.datasets import Preprocessing, load_dataset, synthetic
from subnetlab.datasets.synthetic import ntk_smallest_eigenvalue
from subnetlab.kernels.eigenvalues import smallest_eigenvalue
from subnetlab.kernels.infinite import infinite_ntk


@pytest.mark.parametrize("lam0", [1e-6, 0.024, 0.1, 0.3, 0.499, 0.5])
def test_lambda_0_is_the_one_chosen(lam0):
    data = load_dataset("synthetic", n_samples=30, seed=3, smallest_eigenvalue=lam0)
    assert data.X.shape == (30, 30)
    assert has_unit_rows(data.X)
    assert smallest_eigenvalue(infinite_ntk(data.X)) == pytest.approx(lam0, rel=2e-6)
    assert data.provenance["source"]["smallest_eigenvalue"] == pytest.approx(lam0, rel=1e-6)
    assert np.abs(data.y).max() < 1


def test_default_is_one_tenth_of_the_papers_size():
    data = load_dataset("synthetic")
    assert data.X.shape == (100, 100)
    assert smallest_eigenvalue(infinite_ntk(data.X)) == pytest.approx(0.1)


@pytest.mark.parametrize("n_features", [2, 5, 60])
def test_any_number_of_features(n_features):
    arguments = {"n_samples": 20, "seed": 1, "n_features": n_features}
    with pytest.raises(ValueError, match=r"synthetic: smallest_eigenvalue must be at most .*, got 0.51") as caught:
        load_dataset("synthetic", smallest_eigenvalue=0.51, **arguments)
    largest = float(str(caught.value).split("at most ")[1].split()[0])
    assert largest == pytest.approx(0.5) if n_features == 60 else largest < 0.1
    data = load_dataset("synthetic", smallest_eigenvalue=0.9 * largest, **arguments)
    assert data.X.shape == (20, n_features)
    assert smallest_eigenvalue(infinite_ntk(data.X)) == pytest.approx(0.9 * largest, rel=1e-6)


def test_seed_decides_everything():
    first, again, other = (load_dataset("synthetic", n_samples=8, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.y, again.y)
    assert first.provenance == again.provenance
    assert np.abs(first.X - other.X).max() > 0.1


def test_validation_rows_are_others_and_cost_nothing():
    alone = load_dataset("synthetic", n_samples=10, seed=4)
    data = load_dataset("synthetic", n_samples=10, seed=4, n_validation=5)
    np.testing.assert_array_equal(data.X, alone.X)
    np.testing.assert_array_equal(data.y, alone.y)
    assert data.X_validation.shape == (5, 10)
    assert has_unit_rows(data.X_validation)
    assert data.y_validation.shape == (5,)
    assert data.provenance["rows"] == list(range(10))
    assert data.provenance["validation_rows"] == list(range(10, 15))
    assert not any((row == data.X).all(axis=1).any() for row in data.X_validation)


def test_small_kernel_by_hand():
    # Two unit rows at 60 degrees: H = [[1/2, h], [h, 1/2]], h = 1/2 (pi - pi/3) / (2 pi) = 1/6.
    X = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    assert ntk_smallest_eigenvalue(X) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"smallest_eigenvalue": 0}, ValueError, "smallest_eigenvalue must be above 0, got 0"),
        ({"smallest_eigenvalue": "x"}, TypeError, "smallest_eigenvalue must be a number"),
        ({"smallest_eigenvalue": 1e-15}, ValueError, "must be large enough for float64, got 1e-15"),
        ({"n_features": 1}, ValueError, "n_features must be at least 2, got 1"),
        ({"n_samples": 1}, ValueError, "n_samples must be at least 2, got 1"),
        ({"n_samples": "all"}, ValueError, "n_samples must be a number for 'synthetic', got 'all'"),
        ({"preprocessing": Preprocessing("centred")}, ValueError, "lambda_0 would not be the one chosen"),
        ({"preprocessing": Preprocessing(intercept=True)}, ValueError, "lambda_0 would not be the one chosen"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        load_dataset("synthetic", **arguments)


def angles_at_once(X):
    """What `_angles` says, row by row: the stored hashes of made data rest on its bits."""
    rows = [2 * np.arctan2(np.linalg.norm(X - x, axis=1), np.linalg.norm(X + x, axis=1)) for x in X]
    return np.array(rows)


@pytest.mark.parametrize("n", [1, 2, 3, 33, 130])
@pytest.mark.parametrize("d", [1, 2, 7, 9, 127, 129, 1000, 40_000])
def test_angles_in_pieces_have_the_bits_of_angles_at_once(n, d):
    X = np.random.default_rng(n + d).normal(size=(min(n, 5) if d > 1000 else n, d)) + 1
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_array_equal(synthetic._angles(X), angles_at_once(X), strict=True)


@pytest.mark.parametrize(
    ("n", "arguments"), [(12, {}), (40, {"n_features": 15, "smallest_eigenvalue": 0.01}), (64, {})]
)
@pytest.mark.parametrize("seed", [0, 5])
def test_data_made_in_pieces_have_the_same_bits(n, arguments, seed, monkeypatch):
    made = load_dataset("synthetic", n_samples=n, seed=seed, **arguments)
    monkeypatch.setattr(synthetic, "_angles", angles_at_once)
    assert made.digest == load_dataset("synthetic", n_samples=n, seed=seed, **arguments).digest
