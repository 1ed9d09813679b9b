"""From a raw table and chosen rows to a `Dataset`: treated, checked, with its provenance."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.inputs import LARGEST
from .collinear import collinear_rows
from .dataset import Dataset
from .preprocessing import Preprocessing, fit, transform

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray
    from .preprocessing import Statistics
    from .raw import RawTable

_GROUPS_NAMED = 20


def prepare(
    table: RawTable, rows: IntArray, validation_rows: IntArray, preprocessing: Preprocessing
) -> tuple[Dataset, dict[str, Any]]:
    """Return the dataset of the chosen rows, and the part of its provenance that this step knows.

    Parameters
    ----------
    table : RawTable
    rows, validation_rows : ndarray of int
        Which rows of the table; the second may be empty.
    preprocessing : Preprocessing

    Raises
    ------
    ValueError
        If a value is missing and may not be imputed, is too large, or a row becomes zero.
    """
    chosen = np.concatenate([rows, validation_rows])
    _check_values(table, chosen, preprocessing)
    statistics = fit(preprocessing, table.rows(rows), table.target[rows])
    imputed = _imputed(table, rows, chosen, statistics)
    X = transform(preprocessing, statistics, table.rows(chosen))
    _check_zero_rows(table, X, chosen)
    y = table.target[chosen] - statistics.target_shift if preprocessing.centre_target else table.target[chosen]
    n = len(rows)
    facts = {
        "columns": [*table.columns, *(["(intercept)"] if preprocessing.intercept else [])],
        "left_out": table.left_out,
        "categorical": {name: list(categories) for name, categories in table.categories.items()},
        "target": {"name": table.target_name, "subtracted": np.asarray(statistics.target_shift).tolist()},
        "preprocessing": asdict(preprocessing),
        "statistics": statistics.record(),
        "imputed": imputed,
        "constant_columns": [c for c, k in zip(table.columns, statistics.constant, strict=True) if k],
        "collinear_rows": _collinear(X[:n], rows),
    }
    test_X = None if table.test_features is None else table.test_features / table.unit
    if test_X is not None:
        test_X = transform(preprocessing, statistics, test_X)
    return _dataset(table, X, y, n, test_X), facts


def take_as_is(table: RawTable, rows: IntArray, validation_rows: IntArray) -> tuple[Dataset, dict[str, Any]]:
    """Return the dataset of the chosen rows in float32, divided by the table's unit and not otherwise treated.

    For images that go to a module: its first layer has a bias and does not need rows of norm 1.

    Parameters
    ----------
    table : RawTable
        Of whole numbers, none missing.
    rows, validation_rows : ndarray of int
        Which rows of the table; the second may be empty.
    """

    def scaled(features: np.ndarray) -> np.ndarray:
        return np.divide(features, np.float32(table.unit), dtype=np.float32)

    chosen = np.concatenate([rows, validation_rows])
    facts = {
        "columns": list(table.columns),
        "left_out": table.left_out,
        "categorical": {},
        "target": {"name": table.target_name, "subtracted": 0.0},
        "preprocessing": None,
        "statistics": None,
        "imputed": [],
        "constant_columns": [],
        "collinear_rows": None,
    }
    test_X = None if table.test_features is None else scaled(table.test_features)
    return _dataset(table, scaled(table.features[chosen]), table.target[chosen], len(rows), test_X), facts


def _dataset(table: RawTable, X: np.ndarray, y: np.ndarray, n: int, test_X: np.ndarray | None) -> Dataset:
    """Return the first n rows for training and the others for validation; the provenance is filled in later."""
    X_validation, y_validation = (X[n:], y[n:]) if n < len(X) else (None, None)
    return Dataset(X[:n], y[:n], table.name, {}, X_validation, y_validation, test_X, table.test_target, table.classes)


def _check_values(table: RawTable, chosen: IntArray, preprocessing: Preprocessing) -> None:
    features, target = table.features[chosen], table.target[chosen]
    missing = np.isnan(features)
    if missing.any() and not preprocessing.impute:
        i, j = np.argwhere(missing)[0]
        raise ValueError(
            f"{table.name}: missing values are refused unless impute is True (Preprocessing), "
            f"got {missing.sum()}, the first in column {table.columns[j]!r} of row {chosen[i]} (counted from 0)"
        )
    for what, values in (("features", np.where(missing, 0.0, features)), ("the target", target)):
        bad = np.argwhere(~(np.abs(values) <= LARGEST))
        if len(bad):
            row, value = chosen[bad[0][0]], values[tuple(bad[0])]
            problem = "is missing" if np.isnan(value) else f"is {value}"
            raise ValueError(
                f"{table.name}: {what} must be numbers of at most {LARGEST:g} in size, "
                f"got {len(bad)} that are not: one of row {row} (counted from 0) {problem}"
            )


def _imputed(table: RawTable, rows: IntArray, chosen: IntArray, statistics: Statistics) -> list[dict[str, Any]]:
    """Return what is filled in, column by column."""
    missing = np.isnan(table.features[chosen])
    report: list[dict[str, Any]] = []
    for j in np.flatnonzero(missing.any(axis=0)):
        known = len(rows) - int(missing[: len(rows), j].sum())
        if known == 0:
            raise ValueError(
                f"{table.name}: column {table.columns[j]!r} must have a value in some row used to be imputed, got none"
            )
        report.append(
            {
                "column": table.columns[j],
                "rows": chosen[missing[:, j]].tolist(),
                "value": float(statistics.fill[j]),
                "how": f"mean of the {known} training rows that have a value",
            }
        )
    return report


def _check_zero_rows(table: RawTable, X: FloatArray, chosen: IntArray) -> None:
    zero = np.flatnonzero(~X.any(axis=1))
    if len(zero):
        raise ValueError(
            f"{table.name}: no row may be zero after scaling (it has no direction), got {len(zero)}, the first "
            f"row {chosen[zero[0]]} (counted from 0); intercept=True (Preprocessing) gives it one"
        )


def _collinear(X: FloatArray, rows: IntArray) -> dict[str, Any]:
    """Return the rows on one line; Theorem 1 needs that there are none."""
    groups = collinear_rows(X)
    named = [
        {"rows": list(group.rows), "source_rows": rows[list(group.rows)].tolist(), "signs": list(group.signs)}
        for group in groups[:_GROUPS_NAMED]
    ]
    return {
        "n_groups": len(groups),
        "n_rows": sum(len(group.rows) for group in groups),
        "n_antipodal": sum(-1 in group.signs for group in groups),
        "first_groups": named,
    }
