"""From raw features to unit rows: by hand, by the textbook formula, and at the edges of float64."""

from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from subnetlab.core.inputs import has_unit_rows
from subnetlab.datasets import Preprocessing
from subnetlab.datasets.prepare import prepare
from subnetlab.datasets.preprocessing import SCALINGS, fit, transform
from subnetlab.datasets.raw import RawTable

NONE = np.arange(0)


def table(features, target=None):
    features = np.asarray(features, dtype=float)
    target = np.zeros(len(features)) if target is None else np.asarray(target, dtype=float)
    names = tuple("abcdefgh"[: features.shape[1]])
    return RawTable("made", features, target, names, "t", {"kind": "test"})


def prepared(features, target=None, validation=(), **choices):
    raw = table(features, target)
    rows = np.setdiff1d(np.arange(len(raw.features)), validation)
    return prepare(raw, rows, np.array(validation, dtype=int), Preprocessing(**choices))


def test_by_hand():
    # Columns (3, 4) and (0, 8): means 3.5 and 4, population deviations 1/2 and 4.
    features, target = [[3.0, 0.0], [4.0, 8.0]], [1.0, 5.0]
    raw, _ = prepared(features, target)
    np.testing.assert_allclose(raw.X, [[1, 0], [1 / np.sqrt(5), 2 / np.sqrt(5)]])
    np.testing.assert_array_equal(raw.y, target)
    # centred (-1/2, -4), (1/2, 4): norm sqrt(65)/2
    centred, facts = prepared(features, target, scaling="centred", centre_target=True)
    np.testing.assert_allclose(centred.X, np.array([[-1, -8], [1, 8]]) / np.sqrt(65))
    np.testing.assert_array_equal(centred.y, [-2, 2])
    assert facts["target"] == {"name": "t", "subtracted": 3.0}
    # standardised (-1, -1), (1, 1), with the intercept (-1, -1, 1), (1, 1, 1)
    scaled, facts = prepared(features, target, scaling="standardised", intercept=True)
    np.testing.assert_allclose(scaled.X, np.array([[-1, -1, 1], [1, 1, 1]]) / np.sqrt(3))
    assert facts["columns"] == ["a", "b", "(intercept)"]
    # raw with the intercept (3, 0, 1): norm sqrt(10)
    plain, _ = prepared(features, intercept=True)
    np.testing.assert_allclose(plain.X[0], np.array([3, 0, 1]) / np.sqrt(10))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    features=arrays(float, st.tuples(st.integers(2, 8), st.integers(1, 5)), elements=st.integers(-50, 50).map(float)),
    scaling=st.sampled_from(SCALINGS),
    intercept=st.booleans(),
)
def test_textbook_formula(features, scaling, intercept):
    expected = features - (features.mean(axis=0) if scaling != "raw" else 0)
    if scaling == "standardised":
        deviation = features.std(axis=0)
        expected = expected / np.where(deviation > 1e-9, deviation, 1)
    if intercept:
        expected = np.column_stack([expected, np.ones(len(expected))])
    norms = np.linalg.norm(expected, axis=1, keepdims=True)
    choices = Preprocessing(scaling, intercept=intercept)
    X = transform(choices, fit(choices, features, np.zeros(len(features))), features)
    zero = norms[:, 0] < 1e-9
    np.testing.assert_array_equal(X[zero], 0)
    np.testing.assert_allclose(X[~zero], (expected / np.where(norms == 0, 1, norms))[~zero], atol=1e-12)
    assert has_unit_rows(X[~zero])


@pytest.mark.parametrize("scaling", ["centred", "standardised"])
def test_validation_rows_have_no_say(scaling):
    rng = np.random.default_rng(0)
    features, target = rng.random((12, 3)), rng.random(12)
    alone, _ = prepared(features[:9], target[:9], scaling=scaling, centre_target=True)
    for factor in (1, 1000):
        data, _ = prepared(
            np.vstack([features[:9], factor * features[9:]]),
            np.append(target[:9], factor * target[9:]),
            validation=(9, 10, 11),
            scaling=scaling,
            centre_target=True,
        )
        np.testing.assert_array_equal(data.X, alone.X)
        np.testing.assert_array_equal(data.y, alone.y)
    shift, scale = features[:9].mean(axis=0), features[:9].std(axis=0) if scaling == "standardised" else 1
    expected = (1000 * features[9:] - shift) / scale
    np.testing.assert_allclose(data.X_validation, expected / np.linalg.norm(expected, axis=1, keepdims=True))
    np.testing.assert_allclose(data.y_validation, 1000 * target[9:] - target[:9].mean())


@pytest.mark.parametrize("scaling", ["centred", "standardised"])
@pytest.mark.parametrize("value", [0.1, 1e6 / 3, -1e-3 / 7])
def test_rounding_is_not_taken_for_data(scaling, value):
    # 2,000 times the same value: a mean that is off by rounding must not become a column of noise
    features = np.column_stack([np.full(2000, value), np.arange(2000.0)])
    data, facts = prepared(features, scaling=scaling, intercept=True)
    np.testing.assert_array_equal(data.X[:, 0], 0)
    assert facts["constant_columns"] == ["a"]


@pytest.mark.parametrize("scaling", ["centred", "standardised"])
def test_a_mean_row_is_zero_whatever_the_rounding(scaling):
    noisy = 0
    for centre, *others in np.random.default_rng(2).random((100, 6, 3)):
        features = np.array([others[0], centre, *others[1:], *(2 * centre - others)])
        noisy += any(fsum(column) / 11 != column[1] for column in features.T)
        with pytest.raises(ValueError, match=r"made: no row may be zero .* got 1, the first row 1 .*intercept=True"):
            prepared(features, scaling=scaling)
    assert noisy > 10  # of these rows, rounding alone would have given a direction


@pytest.mark.parametrize("size", [1e-140, 1e140])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_size_does_not_matter(size, scaling):
    features = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])
    data, _ = prepared(size * features, scaling=scaling)
    assert has_unit_rows(data.X)
    np.testing.assert_allclose(data.X, prepared(features, scaling=scaling)[0].X, rtol=1e-12)


def test_zero_rows_are_refused_by_their_place():
    with pytest.raises(ValueError, match=r"no row may be zero after scaling .* got 2, the first row 1 "):
        prepared([[1, 2], [0, 0], [3, 4], [0, 0]])
    assert has_unit_rows(prepared([[1, 2], [0, 0]], intercept=True)[0].X)
    with pytest.raises(ValueError, match="row 0"):
        prepared([[1, 2]], scaling="centred")
    with pytest.raises(ValueError, match="the first row 1"):
        prepared([[1, 2], [1e-160, 1e-160]])  # squares vanish: its norm has no digits


def test_missing_values_are_refused_or_imputed():
    features = [[1, np.nan], [2, 4], [3, 8], [np.nan, 100]]
    with pytest.raises(ValueError, match=r"refused unless impute is True .* got 2, the first in column 'b' of row 0"):
        prepared(features)
    data, facts = prepared(features, validation=(3,), impute=True)
    np.testing.assert_allclose(data.X[0], np.array([1, 6]) / np.sqrt(37))  # mean of 4 and 8
    np.testing.assert_allclose(data.X_validation[0], np.array([2, 100]) / np.sqrt(10004))  # mean of 1, 2, 3
    assert facts["imputed"] == [
        {"column": "a", "rows": [3], "value": 2.0, "how": "mean of the 3 training rows that have a value"},
        {"column": "b", "rows": [0], "value": 6.0, "how": "mean of the 2 training rows that have a value"},
    ]
    with pytest.raises(ValueError, match="column 'b' must have a value in some row used to be imputed"):
        prepared([[1, np.nan], [2, np.nan], [3, 1]], validation=(2,), impute=True)


def test_rows_that_are_not_used_do_not_matter():
    raw = table([[1, 2], [np.nan, 0], [0, 0], [3, 4]], [0, np.nan, 1, 2])
    data, facts = prepare(raw, np.array([3, 0]), NONE, Preprocessing(impute=True))
    np.testing.assert_array_equal(data.y, [2, 0])
    assert facts["imputed"] == []
    assert data.X_validation is None
    assert data.y_validation is None


@pytest.mark.parametrize(
    ("features", "target", "message"),
    [
        ([[1, np.inf], [1, 2]], None, r"features must be numbers of at most 1e\+150 .* row 0 .* is inf"),
        ([[1, 2], [1, -1e200]], None, r"row 1 \(counted from 0\) is -1e\+200"),
        ([[1, 2], [1, 2]], [0, np.nan], "the target must be numbers .* row 1 .* is missing"),
        ([[1, 2], [1, 2]], [np.inf, 0], "the target must be numbers .* row 0 .* is inf"),
    ],
)
def test_values_that_cannot_be_used(features, target, message):
    for impute in (False, True):
        with pytest.raises(ValueError, match=message):
            prepared(features, target, impute=impute)


def test_several_targets():
    data, facts = prepared([[1, 2], [3, 4]], [[1, 10], [3, 30]], centre_target=True)
    np.testing.assert_array_equal(data.y, [[-1, -10], [1, 10]])
    assert facts["target"]["subtracted"] == [2.0, 20.0]


def test_collinear_rows_are_reported():
    data, facts = prepared([[1, 2], [5, 1], [2, 4], [-5, -1], [0, 1]], validation=(0,))
    assert data.X.shape == (4, 2)
    assert facts["collinear_rows"] == {
        "n_groups": 1,
        "n_rows": 2,
        "n_antipodal": 1,
        "first_groups": [{"rows": [0, 2], "source_rows": [1, 3], "signs": [1, -1]}],
    }
    _, facts = prepared(np.repeat(np.arange(1.0, 31), 2)[:, np.newaxis] ** [[0, 1]])
    assert facts["collinear_rows"]["n_groups"] == 30
    assert len(facts["collinear_rows"]["first_groups"]) == 20


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"scaling": "centered"}, ValueError, "Preprocessing: scaling must be one of 'raw', 'centred', 'standardised'"),
        ({"intercept": 1}, TypeError, "Preprocessing: intercept must be True or False, got 1"),
        ({"centre_target": "no"}, TypeError, "Preprocessing: centre_target must be True or False"),
        ({"impute": None}, TypeError, "Preprocessing: impute must be True or False"),
    ],
)
def test_bad_settings(choices, error, message):
    with pytest.raises(error, match=message):
        Preprocessing(**choices)
