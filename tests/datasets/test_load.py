"""load_dataset(): which rows are drawn, what is recorded, what is refused."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from subnetlab.core.inputs import has_unit_rows
from subnetlab.core.randomness import Purpose, permutation
from subnetlab.datasets import Preprocessing, load_dataset


def diabetes_rows(rows):
    X, y = load_diabetes(return_X_y=True)
    return X[rows] / np.linalg.norm(X[rows], axis=1, keepdims=True), y[rows] / 346


def test_rows_are_the_seeds_permutation():
    data = load_dataset("diabetes", n_samples=30, seed=7, n_validation=12)
    order = permutation(7, Purpose.DATA_ROWS, 0, 0, 442)
    X, y = diabetes_rows(order[:42])
    np.testing.assert_allclose(np.vstack([data.X, data.X_validation]), X, rtol=1e-14)
    np.testing.assert_array_equal(np.concatenate([data.y, data.y_validation]), y)
    assert data.provenance["rows"] == order[:30].tolist()
    assert data.provenance["validation_rows"] == order[30:42].tolist()
    assert len(set(order[:42].tolist())) == 42


def test_defaults():
    data = load_dataset("diabetes")
    assert data.X.shape == (100, 10)
    assert data.X.dtype == data.y.dtype == np.float64
    assert data.X.flags.c_contiguous
    assert has_unit_rows(data.X)
    assert 0 < data.y.min() < data.y.max() <= 1
    assert data.X_validation is None
    assert data.name == "diabetes"


def test_fewer_rows_are_the_first_of_more():
    more, fewer = (load_dataset("diabetes", n_samples=n, seed=3) for n in (50, 20))
    np.testing.assert_array_equal(more.X[:20], fewer.X)
    assert load_dataset("diabetes", n_samples=20, seed=4).provenance["rows"] != fewer.provenance["rows"]


def test_all_keeps_the_order_of_the_source():
    data = load_dataset("diabetes", n_samples="all", seed=9)
    X, y = diabetes_rows(np.arange(442))
    np.testing.assert_allclose(data.X, X, rtol=1e-14)
    np.testing.assert_array_equal(data.y, y)
    assert data.provenance["rows"] == "all"
    split = load_dataset("diabetes", n_samples="all", seed=9, n_validation=42)
    assert sorted(split.provenance["rows"] + split.provenance["validation_rows"]) == list(range(442))
    assert split.X_validation.shape == (42, 10)


def test_provenance_is_json_and_makes_the_data_again():
    choices = {"scaling": "standardised", "centre_target": True, "intercept": True, "impute": False}
    data = load_dataset("diabetes", n_samples=25, seed=2, n_validation=3, preprocessing=Preprocessing(**choices))
    facts = json.loads(json.dumps(data.provenance, allow_nan=False))
    assert facts["preprocessing"] == choices
    assert facts["columns"] == ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "(intercept)"]
    assert facts["source"]["kind"] == "embedded"
    assert facts["source"]["n_rows"] == 442
    assert len(facts["source"]["sha256"]) == 64
    raw, _ = load_diabetes(return_X_y=True)
    used = raw[facts["rows"]]
    expected = np.column_stack([(used - used.mean(axis=0)) / used.std(axis=0), np.ones(25)])
    np.testing.assert_allclose(data.X, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-13)
    assert data.y.mean() == pytest.approx(0, abs=1e-15)
    again = load_dataset(
        facts["requested"],
        n_samples=len(facts["rows"]),
        seed=facts["seed"],
        n_validation=len(facts["validation_rows"]),
        preprocessing=Preprocessing(**facts["preprocessing"]),
    )
    np.testing.assert_array_equal(again.X, data.X)
    np.testing.assert_array_equal(again.y_validation, data.y_validation)
    assert again.provenance == data.provenance


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "crimes"}, ValueError, r"name must be one of crime, diabetes, .*ends in \.csv.*, got 'crimes'"),
        ({"name": 3}, TypeError, "name must be a name or a path, got 3"),
        ({"name": "fashion_mnist", "path": 5}, TypeError, "path must be a str or PathLike, got int"),
        ({"name": "data.xlsx"}, ValueError, r"got 'data\.xlsx'"),
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1, got 0"),
        ({"n_samples": 2.5}, TypeError, r"n_samples must be a whole number, got 2\.5"),
        ({"n_samples": "every"}, ValueError, "n_samples must be one of 'all', got 'every'"),
        ({"n_samples": 443}, ValueError, "not exceed the 442 rows there are, got 443 and 0"),
        ({"n_samples": 400, "n_validation": 43}, ValueError, "442 rows there are, got 400 and 43"),
        ({"n_samples": "all", "n_validation": 442}, ValueError, "leave a row to train on .* got all and 442"),
        ({"n_validation": -1}, ValueError, "n_validation must be at least 0, got -1"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 2**64}, ValueError, "seed must be below"),
        ({"path": "file"}, ValueError, "path is for crime and fashion_mnist and auto, got 'file' with 'diabetes'"),
        ({"target": "y"}, ValueError, "target is for your own files .*, got 'y' with 'diabetes'"),
        ({"n_features": 3}, ValueError, "n_features is for synthetic, got 3 with 'diabetes'"),
        ({"smallest_eigenvalue": 0.1}, ValueError, "smallest_eigenvalue is for synthetic"),
        ({"name": "auto", "target": 0}, ValueError, "target is for your own files .* with 'auto'"),
        (
            {"name": "my.csv", "path": "my.csv"},
            ValueError,
            r"path is for crime and fashion_mnist and auto, got 'my.csv' with 'my\.csv'",
        ),
        ({"preprocessing": {"scaling": "raw"}}, TypeError, "preprocessing must be a Preprocessing, got dict"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=f"^load_dataset: .*{message}"):
        load_dataset(**{"name": "diabetes", **arguments})
