"""Extreme eigenvalues of a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray


def smallest_eigenvalue(H: FloatArray) -> float:
    """Return lambda_min of a symmetric matrix, shape (n, n), to rounding."""
    return float(np.linalg.eigvalsh(H)[0])


def largest_eigenvalue(H: FloatArray) -> float:
    """Return lambda_max of a symmetric matrix, shape (n, n), to rounding."""
    return float(np.linalg.eigvalsh(H)[-1])
