"""Sample weights: what is given, checked, and brought into a range where a step size can be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

if TYPE_CHECKING:
    from ..core.arrays import FloatArray


def checked_weights(sample_weight: Any, X: FloatArray, owner: str) -> FloatArray | None:
    """Return the weights as float64, shape (n,), none negative and not all zero; None stays None."""
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError(f"{owner}: sample_weight must not be zero for all rows")
    return weights


def weights_in_range(sample_weight: FloatArray | None) -> FloatArray | None:
    """Return weights times a power of four where their size alone would overflow the step size "auto"."""
    if sample_weight is None or 1e-100 < sample_weight.max() < 1e100:
        return sample_weight
    exponent = int(np.frexp(sample_weight.max())[1])
    return np.ldexp(sample_weight, -(exponent - exponent % 2))
