"""Extreme eigenvalues of a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.inputs import check_symmetric
from ..surroundings import undisturbed

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

_ROUNDING = 1e-10  # of the largest entry: what sums in another order leave between H_ij and H_ji


@undisturbed()
def smallest_eigenvalue(H: FloatArray) -> float:
    """Return lambda_min of a symmetric matrix to rounding.

    Parameters
    ----------
    H : ndarray, shape (n, n)
        Symmetric to rounding.

    Raises
    ------
    TypeError, ValueError
        If H is no symmetric matrix of finite real numbers.

    Examples
    --------
    >>> smallest_eigenvalue(np.diag([3.0, 1.0, 2.0]))
    1.0
    """
    return float(np.linalg.eigvalsh(check_symmetric(H, owner="smallest_eigenvalue", tolerance=_ROUNDING))[0])


@undisturbed()
def largest_eigenvalue(H: FloatArray) -> float:
    """Return lambda_max of a symmetric matrix, shape (n, n), to rounding."""
    return float(np.linalg.eigvalsh(H)[-1])
