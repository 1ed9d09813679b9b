"""Rows on one line: the same groups as from comparing all pairs."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from subnetlab.core.inputs import parallel_rows
from subnetlab.datasets import collinear_rows


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def groups_of_pairs(X):
    """Return the groups as lists of (row, sign relative to the first), from all pairs."""
    pairs = parallel_rows(X)
    seconds = {pair.second for pair in pairs}
    groups = {}
    for i, j, antipodal in pairs:
        if i not in seconds:  # i is the first of its group
            groups.setdefault(i, [(i, 1)]).append((j, -1 if antipodal else 1))
    return sorted(sorted(members) for members in groups.values())


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    arrays(float, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(-2, 2).map(float)),
    st.lists(st.sampled_from([0.1, 1.0, 7.0, 1 / 3]), min_size=12, max_size=12),
)
def test_same_groups_as_all_pairs(rows, lengths):
    rows = rows[rows.any(axis=1)]
    if len(rows) == 0:
        return
    X = unit(rows * np.array(lengths)[: len(rows), np.newaxis])
    found = [sorted(zip(group.rows, group.signs, strict=True)) for group in collinear_rows(X)]
    assert found == groups_of_pairs(X)


def test_none_and_all():
    assert collinear_rows(np.eye(4)) == []
    assert collinear_rows(np.ones((1, 1))) == []
    (group,) = collinear_rows(np.array([[1.0], [-1.0], [-1.0]]))
    assert group == ((0, 1, 2), (1, -1, -1))


def test_tolerance_is_an_angle():
    for angle, found in ((1e-10, 1), (1e-8, 0)):
        X = np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)], [0.0, 1.0]])
        assert len(collinear_rows(X)) == found
        assert len(collinear_rows(-X * [[1], [-1], [1]])) == found


def test_many_rows_and_many_equal_rows_take_no_time():
    rng = np.random.default_rng(1)
    started = time.process_time()
    assert collinear_rows(unit(rng.standard_normal((50_000, 20)))) == []
    (group,) = collinear_rows(np.tile(unit(rng.standard_normal((1, 5))), (50_000, 1)))
    assert len(group.rows) == 50_000  # 1.25e9 pairs
    assert time.process_time() - started < 10
