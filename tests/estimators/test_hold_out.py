"""Which rows are pooled, and which are held out, by hand."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

import subnetlab as sl
from subnetlab.estimators.hold_out import distinct_rows, hold_out

RNG = np.random.default_rng(0)
X, Y = load_diabetes(return_X_y=True)
X, Y = 20 * X[:60], Y[:60]


def as_table(X, y, weights):
    weights = np.ones(len(X)) if weights is None else weights
    return sorted(map(tuple, np.column_stack([X, y, weights]).tolist()))


def test_distinct_rows_of_equal_weight_keep_their_order():
    rows, targets, weights = distinct_rows(X, Y, None)
    assert rows is X
    assert targets is Y
    assert weights is None
    sevens = np.full(60, 7.0)
    assert distinct_rows(X, Y, sevens)[2] is sevens


def test_a_weight_is_as_many_copies_in_any_order():
    counts = RNG.integers(0, 9, 60)
    weighted = distinct_rows(X, Y, counts.astype(float))
    order = RNG.permutation(counts.sum())
    repeated = distinct_rows(np.repeat(X, counts, axis=0)[order], np.repeat(Y, counts)[order], None)
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_array_equal(one, other)
    assert as_table(*weighted) == as_table(X[counts > 0], Y[counts > 0], counts[counts > 0])


def test_a_row_that_fills_the_data_stays_as_its_copies():
    many = np.repeat(X[:4], [10, 9, 1, 250], axis=0)
    rows, _, weights = distinct_rows(many, np.zeros(270), None)
    assert len(rows) == 10 + 1 + 1 + 250
    assert sorted(weights)[-1] == 9


def test_equal_rows_have_equal_targets_too_and_zero_has_no_sign():
    rows, targets, weights = distinct_rows(np.array([[0.0], [-0.0], [0.0]]), np.array([1.0, 1.0, 2.0]), None)
    assert as_table(rows, targets, weights) == [(0, 1, 2), (0, 2, 1)]


@pytest.mark.parametrize(("classes", "each"), [(100, 6), (60, 9), (300, 2)])
def test_more_classes_than_held_out_rows(classes, each):
    of = np.repeat(np.arange(classes), each)
    train, held_out = hold_out(len(of), 0.1, 3, of)
    assert len(held_out) == len(of) // 10
    assert set(of[train]) == set(range(classes))
    assert sorted([*train, *held_out]) == list(range(len(of)))


def test_classes_keep_their_shares_where_they_can():
    of = np.repeat([0, 1, 5], [300, 90, 10])
    _, held_out = hold_out(400, 0.1, 0, of)
    assert np.bincount(of[held_out]).tolist() == [30, 9, 0, 0, 0, 1]


def test_nothing_is_held_out_of_single_rows():
    assert hold_out(1, 0.1, 0, None)[1].size == 0
    assert hold_out(3, 0.5, 0, np.arange(3))[1].size == 0
    with pytest.warns(UserWarning, match="no row can be held out of 2 distinct ones") as caught:
        sl.SubnetClassifier(early_stopping=True, rounds=2).fit([[0.0], [1.0]], ["a", "b"])
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "options", [{"early_stopping": True}, {"batch_size": 10}, {"batch_size": 20, "local_steps": 1}]
)
@pytest.mark.parametrize("kind", [sl.SubnetRegressor, sl.SubnetClassifier])
def test_a_fit_takes_weights_for_repetitions(options, kind):
    y = Y if kind is sl.SubnetRegressor else np.where(np.median(Y) < Y, "high", "low")
    counts = RNG.integers(0, 4, 60)
    model = kind(random_state=0, rounds=6, **options)
    weighted = model.fit(X, y, sample_weight=counts).network_.weights
    repeated = model.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)).network_.weights
    np.testing.assert_array_equal(weighted, repeated)
    assert not np.array_equal(model.fit(X, y).network_.weights, repeated)


def test_few_rows_with_weight_are_enough():
    weights = np.zeros(60)
    weights[:4] = 1
    model = sl.SubnetRegressor(early_stopping=True, random_state=0).fit(X, Y, sample_weight=weights)
    assert np.isfinite(model.predict(X)).all()
    assert len(model.validation_errors_) > 0
