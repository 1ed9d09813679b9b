"""Checks of data: what is refused, and which rows are named."""

import numpy as np
import pytest

from subnetlab.core.inputs import (
    ParallelRows,
    check_features,
    check_sample_weight,
    check_targets,
    has_unit_rows,
    parallel_rows,
    unit_rows,
)


def test_features_become_contiguous_float64():
    for given in ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], dtype=np.float32), np.array([[1.0, 3], [2, 4]]).T):
        X = check_features(given, owner="train")
        assert X.tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert X.dtype == np.float64
        assert X.flags.c_contiguous
    assert check_features(np.array([[True, False]]), owner="train").tolist() == [[1.0, 0.0]]
    assert check_features(np.ma.masked_array([[1e150]], mask=[[False]]), owner="train").tolist() == [[1e150]]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([["a"]], TypeError, "train: X must hold real numbers, got dtype <U1"),
        ([[1, 2], [3]], ValueError, "train: X must have rows of equal length, got a ragged list"),
        (
            np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]),
            ValueError,
            "train: X must not have missing values, got 1 masked",
        ),
        ([[1.0, 2.0], [3.0, -1.1e150]], ValueError, "train: X must be at most 1e+150 in size, got -1.1e+150"),
        ([[1j]], TypeError, "train: X must hold real numbers, got dtype complex128"),
        ([[None]], TypeError, "train: X must hold real numbers, got dtype object"),
        (1.0, ValueError, "train: X must have shape (n_samples, n_features), got ()"),
        ([1.0], ValueError, "train: X must have shape (n_samples, n_features), got (1,)"),
        ([[[1.0]]], ValueError, "train: X must have shape (n_samples, n_features), got (1, 1, 1)"),
        (np.empty((0, 3)), ValueError, "train: X must not be empty, got shape (0, 3)"),
        (np.empty((3, 0)), ValueError, "train: X must not be empty, got shape (3, 0)"),
        ([[1.0, np.nan], [np.inf, 1.0]], ValueError, "train: X must be finite, got nan at (0, 1) (2 such values)"),
        ([[1.0], [-np.inf]], ValueError, "train: X must be finite, got -inf at (1, 0) (1 such values)"),
        (
            [[1.0], [0.0], [-0.0]],
            ValueError,
            "train: X must not have rows of zeros (the network has no bias, so it cannot learn them), "
            "got 2, the first at row 1",
        ),
        (
            [[1.0, 1e-170], [-9e-151, 0.0]],
            ValueError,
            "train: X must have a number of at least 1e-150 in size in each row (the squares of smaller ones vanish), "
            "got at most 9e-151 in row 1",
        ),
    ],
)
def test_features_refused(X, error, message, refused):
    with refused(error, message):
        check_features(X, owner="train")


def test_features_are_named_as_the_caller_says():
    with pytest.raises(ValueError, match=r"^fit: X_validation must have shape"):
        check_features(1.0, owner="fit", name="X_validation")


def test_targets():
    assert check_targets([1, 2], 2, owner="train").dtype == np.float64
    assert check_targets([[1], [2]], 2, owner="train").shape == (2, 1)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (["a", "b"], TypeError, "train: y must hold real numbers, got dtype <U1"),
        (1.0, ValueError, "train: y must have shape (2,) or (2, n_outputs), got ()"),
        ([1.0], ValueError, "train: y must have shape (2,) or (2, n_outputs), got (1,)"),
        (np.ones((2, 0)), ValueError, "train: y must have shape (2,) or (2, n_outputs), got (2, 0)"),
        (np.ones((2, 1, 1)), ValueError, "train: y must have shape (2,) or (2, n_outputs), got (2, 1, 1)"),
        ([1.0, np.nan], ValueError, "train: y must be finite, got nan at (1,) (1 such values)"),
        ([1.0, 1e200], ValueError, "train: y must be at most 1e+150 in size, got 1e+200"),
    ],
)
def test_targets_refused(y, error, message, refused):
    with refused(error, message):
        check_targets(y, 2, owner="train")


def test_sample_weight():
    assert check_sample_weight(None, 2, owner="train") is None
    assert check_sample_weight([0, 2], 2, owner="train").tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("sample_weight", "error", "message"),
    [
        (["a", "b"], TypeError, "train: sample_weight must hold real numbers, got dtype <U1"),
        ([1.0], ValueError, "train: sample_weight must have shape (2,), got (1,)"),
        ([[1.0, 1.0]], ValueError, "train: sample_weight must have shape (2,), got (1, 2)"),
        ([1.0, np.inf], ValueError, "train: sample_weight must be finite, got inf at (1,) (1 such values)"),
        ([1.0, -2.0], ValueError, "train: sample_weight must be non-negative and not all zero, got minimum -2.0"),
        ([0.0, 0.0], ValueError, "train: sample_weight must be non-negative and not all zero, got minimum 0.0"),
    ],
)
def test_sample_weight_refused(sample_weight, error, message, refused):
    with refused(error, message):
        check_sample_weight(sample_weight, 2, owner="train")


def test_unit_rows():
    assert has_unit_rows(np.array([[0.6, 0.8], [0.0, -1.0]]))
    assert has_unit_rows(np.array([[1 + 0.9e-9, 0.0]]))
    assert not has_unit_rows(np.array([[1.0, 0.0], [1 + 1.1e-9, 0.0]]))
    assert not has_unit_rows(np.array([[1 - 1.1e-9, 0.0]]))
    assert has_unit_rows(np.array([[1.05, 0.0]]), tolerance=0.1)
    assert has_unit_rows(np.array([[1.5]]), tolerance=0.625)  # |1.5^2 - 1| is twice the tolerance, exactly


@pytest.mark.parametrize("exponent", [-1020, -400, 0, 400, 1020])
def test_rows_are_normalised_whatever_their_size(exponent):
    """A power of two costs no bit."""
    X = np.random.default_rng(0).uniform(0.5, 2.0, (20, 3))
    rows = np.ldexp(X, exponent)
    assert unit_rows(rows).tobytes() == (X / np.linalg.norm(X, axis=1, keepdims=True)).tobytes()
    twice = np.array([[np.ldexp(1.0, exponent), 0.0], [0.0, 1.0], [np.ldexp(1.0, exponent - 1), 0.0]])
    assert parallel_rows(twice) == [ParallelRows(0, 2, False)]


def test_parallel_rows_are_found_whatever_their_length_and_sign():
    X = np.array([[3.0, 4.0], [1.0, 0.0], [-0.3, -0.4], [6.0, 8.0], [0.0, 2.0]])
    assert parallel_rows(X) == [
        ParallelRows(0, 2, antipodal=True),
        ParallelRows(0, 3, antipodal=False),
        ParallelRows(2, 3, antipodal=True),
    ]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_tolerance_of_parallel_rows_is_an_angle(sign):
    def pair(angle):
        return np.array([[1.0, 0.0], [sign * np.cos(angle), sign * np.sin(angle)]])

    assert parallel_rows(pair(0.9e-9)) == [ParallelRows(0, 1, antipodal=sign < 0)]
    assert parallel_rows(pair(1.1e-9)) == []
    for tolerance in (1e-5, 0.1):  # cosines select candidates, but must not drop one
        assert len(parallel_rows(pair(0.9 * tolerance), tolerance)) == 1
        assert parallel_rows(pair(1.1 * tolerance), tolerance) == []
    assert len(parallel_rows(pair(0.0), tolerance=0.0)) == 1


def test_parallel_rows_beyond_the_first_block(monkeypatch):
    monkeypatch.setattr("subnetlab.core.inputs._ROWS_AT_ONCE", 3)
    angles = np.linspace(0, 1, 10)
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    X[8] = -X[4]
    X[9] = X[2]
    assert parallel_rows(X) == [ParallelRows(2, 9, antipodal=False), ParallelRows(4, 8, antipodal=True)]
