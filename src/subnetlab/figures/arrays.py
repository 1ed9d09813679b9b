"""Checks of the arrays that figures are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray


def real_array(owner: str, name: str, values: Any, axes: tuple[str, ...]) -> FloatArray:
    """Return ``values`` as float64 with one dimension per name in ``axes``, none of them empty.

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If the number of dimensions is another one, or there are no values.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # NumPy's message speaks of inhomogeneous shapes
        raise ValueError(f"{owner}: {name} must have rows of equal length") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{owner}: {name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim != len(axes) or array.size == 0:
        shape = f"({', '.join(axes)}{',' * (len(axes) == 1)})"
        raise ValueError(f"{owner}: {name} must have shape {shape}, none of them 0, got {array.shape}")
    return array.astype(np.float64)


def nonnegative_array(owner: str, name: str, values: Any, axes: tuple[str, ...]) -> FloatArray:
    """Return ``values`` like `real_array`, all finite and not negative, as errors are."""
    array = real_array(owner, name, values, axes)
    bad = np.argwhere(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ValueError(
            f"{owner}: {name} must be finite and not negative, got {array[place]} at {place} ({len(bad)} such values)"
        )
    return array
