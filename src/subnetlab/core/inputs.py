"""Checks of data: what the algorithm cannot use is refused, what the theory cannot use is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .arrays import FloatArray

LARGEST = 1e150  # squares of larger numbers overflow
SMALLEST = 1 / LARGEST  # squares of smaller numbers vanish
_ROWS_AT_ONCE = 1024


class ParallelRows(NamedTuple):
    """Two rows of X on one line through the origin; the theory needs that there are none."""

    first: int
    second: int
    antipodal: bool


def check_features(X: Any, *, owner: str, name: str = "X", n_features: int | None = None) -> FloatArray:
    """Return X as a C-contiguous float64 array of shape (n, d), with d = ``n_features`` where a network has so many.

    Raises
    ------
    TypeError
        If X cannot be read as real numbers.
    ValueError
        If it is no matrix, is empty, has another number of features, holds a value that is not finite or above
        `LARGEST`, or a row of zeros or of nothing but numbers below `SMALLEST`.
    """
    array = _as_floats(X, owner, name)
    if array.ndim != 2:
        raise ValueError(f"{owner}: {name} must have shape (n_samples, n_features), got {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"{owner}: {name} must not be empty, got shape {array.shape}")
    if n_features not in (None, array.shape[1]):
        raise ValueError(f"{owner}: {name} must have the network's {n_features} features, got {array.shape[1]}")
    _check_finite(array, owner, name)
    zero_rows = np.flatnonzero(~array.any(axis=1))
    if zero_rows.size:
        raise ValueError(
            f"{owner}: {name} must not have rows of zeros (the network has no bias, so it cannot learn them), "
            f"got {zero_rows.size}, the first at row {zero_rows[0]}"
        )
    sizes = _row_sizes(array)
    if sizes.min() < SMALLEST:
        row = int(np.argmin(sizes))
        raise ValueError(
            f"{owner}: {name} must have a number of at least {SMALLEST:g} in size in each row (the squares of smaller "
            f"ones vanish), got at most {sizes[row]} in row {row}"
        )
    return array


def check_targets(y: Any, n_samples: int, *, owner: str, name: str = "y") -> FloatArray:
    """Return y as a float64 array of shape (n,) or (n, o), finite and matching the rows of X.

    Raises
    ------
    TypeError, ValueError
        If y is no array of real numbers, has another length, or holds a value that is not finite.
    """
    array = _as_floats(y, owner, name)
    if array.ndim not in (1, 2) or array.shape[0] != n_samples or 0 in array.shape:
        raise ValueError(
            f"{owner}: {name} must have shape ({n_samples},) or ({n_samples}, n_outputs), got {array.shape}"
        )
    _check_finite(array, owner, name)
    return array


def check_sample_weight(sample_weight: Any, n_samples: int, *, owner: str) -> FloatArray | None:
    """Return the weights as a float64 array of shape (n,), none negative and not all zero; None stays None."""
    if sample_weight is None:
        return None
    array = _as_floats(sample_weight, owner, "sample_weight")
    if array.shape != (n_samples,):
        raise ValueError(f"{owner}: sample_weight must have shape ({n_samples},), got {array.shape}")
    _check_finite(array, owner, "sample_weight")
    if array.min() < 0 or not array.any():
        raise ValueError(f"{owner}: sample_weight must be non-negative and not all zero, got minimum {array.min()}")
    return array


def check_symmetric(H: Any, *, owner: str, name: str = "H", tolerance: float = 0.0) -> FloatArray:
    """Return H as a float64 array of shape (n, n) with |H - H'| at most ``tolerance`` times its largest entry.

    Raises
    ------
    TypeError, ValueError
        If H is no square matrix of finite real numbers, or not symmetric.
    """
    array = _as_floats(H, owner, name)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise ValueError(f"{owner}: {name} must have shape (n, n), got {array.shape}")
    _check_finite(array, owner, name, limit=np.inf)
    apart = np.max(np.abs(array - array.T))
    if apart > tolerance * np.max(np.abs(array)):
        raise ValueError(f"{owner}: {name} must be symmetric, got |{name} - {name}'| up to {apart:.3g}")
    return array


def has_unit_rows(X: FloatArray, tolerance: float = 1e-9) -> bool:
    """Return whether every row of X has Euclidean norm 1, as the theory assumes."""
    return bool(np.all(np.abs(np.einsum("ij,ij->i", X, X) - 1) <= 2 * tolerance))


def unit_rows(X: FloatArray) -> FloatArray:
    """Return the rows of X, shape (n, d) and none of them zero, divided by their norms, whatever their size.

    A power of two, which costs no bit, first brings each row near 1, so that no square overflows or vanishes.

    Examples
    --------
    >>> unit_rows(np.array([[3e-200, 4e-200]]))
    array([[0.6, 0.8]])
    """
    near_one = np.ldexp(X, -np.frexp(_row_sizes(X))[1][:, np.newaxis])
    return near_one / np.linalg.norm(near_one, axis=1, keepdims=True)


def parallel_rows(X: FloatArray, tolerance: float = 1e-9) -> list[ParallelRows]:
    """Return all pairs of rows that are parallel or antipodal, to ``tolerance`` in angle.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        No row may be zero; rows need not have unit norm.
    tolerance : float, default 1e-9
        In radians.

    Examples
    --------
    >>> parallel_rows(np.array([[1.0, 0.0], [0.0, 1.0], [-2.0, 0.0]]))
    [ParallelRows(first=0, second=2, antipodal=True)]
    """
    unit = unit_rows(X)
    slack = 1e-6 + tolerance**2 / 2  # 1 - cos(angle) is at most angle**2 / 2
    found: list[ParallelRows] = []
    for start in range(0, len(unit), _ROWS_AT_ONCE):
        cosines = unit[start : start + _ROWS_AT_ONCE] @ unit[start:].T
        # cosines lose half the digits near 1: they only select candidates, distances decide
        for i, j in np.argwhere(np.triu(np.abs(cosines) > 1 - slack, k=1)):
            first, second = start + int(i), start + int(j)
            antipodal = bool(unit[first] @ unit[second] < 0)
            apart = unit[first] + unit[second] if antipodal else unit[first] - unit[second]
            if np.linalg.norm(apart) <= tolerance:
                found.append(ParallelRows(first, second, antipodal))
    return found


def _row_sizes(X: FloatArray) -> FloatArray:
    """Return the largest size of a number in each row."""
    return np.maximum(X.max(axis=1), -X.min(axis=1))


def _as_floats(values: Any, owner: str, name: str) -> FloatArray:
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{owner}: {name} must have rows of equal length, got a ragged list") from None
    if np.ma.is_masked(values):
        raise ValueError(f"{owner}: {name} must not have missing values, got {np.ma.count_masked(values)} masked")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{owner}: {name} must hold real numbers, got dtype {array.dtype}")
    return np.asarray(array, dtype=np.float64, order="C")


def _check_finite(array: FloatArray, owner: str, name: str, limit: float = LARGEST) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ValueError(f"{owner}: {name} must be finite, got {array[place]} at {place} ({len(bad)} such values)")
    largest = array.flat[np.argmax(np.abs(array))]
    if abs(largest) > limit:
        raise ValueError(f"{owner}: {name} must be at most {limit:g} in size, got {largest}")
