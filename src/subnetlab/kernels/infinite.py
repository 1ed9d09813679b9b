"""The infinite-width neural tangent kernel, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.arrays import UNIT_ROUNDOFF
from ..core.inputs import check_features
from ..surroundings import undisturbed

if TYPE_CHECKING:
    from ..core.arrays import FloatArray


@undisturbed()
def infinite_ntk(X: FloatArray, selection_prob: float = 1.0) -> FloatArray:
    """Return H_inf,ij = xi <x_i, x_j> (pi - angle_ij) / (2 pi), the expectation of the finite NTK.

    For n = 20,000 rows it takes two matrices of that size, 6 GiB.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        No row may be zero. The paper's rows have unit norm.
    selection_prob : float, default 1.0
        xi.

    Returns
    -------
    ndarray, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If X is no matrix of finite real numbers or has a row of zeros, or xi is outside (0, 1].

    Examples
    --------
    >>> infinite_ntk(np.eye(2))
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    from .angles import pair_angles

    X = check_features(X, owner="infinite_ntk")
    selection_prob = checks.probability("infinite_ntk", "selection_prob", selection_prob)
    H = pair_angles(X)  # angles, turned into the kernel in place
    np.subtract(np.pi, H, out=H)
    H *= selection_prob / (2 * np.pi)
    H *= X @ X.T
    return H


@undisturbed()
def infinite_ntk_entry_error(X: FloatArray, selection_prob: float = 1.0) -> float:
    """Return a bound of the rounding error of every entry of `infinite_ntk`, for `certified_smallest_eigenvalue`.

    With u = 2**-53, L = max |x_i|^2 and a C library whose atan2 is off by at most four units in the last place:
    the rows are normalised with a relative error (d/2 + 3) u in length, which moves the angle's formula by at
    most twice that, and u in each coordinate, which turns each row by at most u; the two norms are off by
    (d/2 + 2) u, which moves the angle by at most as much; atan2 adds at most 4 pi u. So the angle is off by less than
    (3 d + 40) u. The inner product is off by d u L, and the three products by 4 u. In all
    xi L u ((3 d + 40) / (2 pi) + d / 2 + 3) < xi L u (d + 10).

    Parameters
    ----------
    X : ndarray, shape (n, d)
    selection_prob : float, default 1.0
        xi.

    Raises
    ------
    TypeError, ValueError
        If `infinite_ntk` refuses X, as with rows so small that their squares vanish: no bound would be true of them.
    """
    X = check_features(X, owner="infinite_ntk_entry_error")
    longest = float(np.max(np.einsum("ij,ij->i", X, X)))
    return selection_prob * longest * UNIT_ROUNDOFF * (X.shape[1] + 10)
