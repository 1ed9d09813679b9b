"""Numbers on their way into a page: rounded, thinned, and as JSON can hold them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray

DIGITS = 5  # significant, of every number that a page's curves hold


def compact(values: Any) -> Any:
    """Return numbers with five significant digits, nested like the array; None for what is not finite.

    Examples
    --------
    >>> compact(np.array([[1.23456789, np.nan], [1e-9, 2.0]]))
    [[1.2346, None], [1e-09, 2]]
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        return _short(float(array))
    return [_short(value) for value in array.tolist()] if array.ndim == 1 else [compact(part) for part in array]


def shown(value: float, digits: int = 4) -> str:
    """Return a number for a reader.

    Examples
    --------
    >>> shown(1234.5678), shown(4.85e13), shown(0.5), shown(float("nan"))
    ('1235', '4.85e13', '0.5', 'none')
    """
    if math.isnan(value):
        return "none"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return mantissa + (f"e{int(exponent)}" if exponent else "")


def spread(count: int, most: int) -> IntArray:
    """Return at most ``most`` of the numbers 0, ..., count - 1, evenly spread, the first and the last among them.

    Examples
    --------
    >>> spread(4, 10).tolist(), spread(101, 3).tolist()
    ([0, 1, 2, 3], [0, 50, 100])
    """
    return np.arange(count) if count <= most else np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def stretches(count: int, most: int, length: int) -> IntArray:
    """Return at most ``most`` of the numbers 0, ..., count - 1 as evenly spread stretches of neighbours.

    Examples
    --------
    >>> stretches(100, 6, 2).tolist()
    [0, 1, 49, 50, 98, 99]
    """
    if count <= most:
        return np.arange(count)
    starts = spread(count - length + 1, max(2, most // length))
    return np.unique(starts[:, np.newaxis] + np.arange(length))


def finite(values: FloatArray) -> FloatArray:
    """Return the values that are finite."""
    return values[np.isfinite(values)]


def _short(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
