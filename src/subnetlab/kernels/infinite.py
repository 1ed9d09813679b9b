"""The infinite-width neural tangent kernel, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray


def infinite_ntk(X: FloatArray, selection_prob: float = 1.0) -> FloatArray:
    """Return H_inf,ij = xi <x_i, x_j> (pi - angle_ij) / (2 pi), the expectation of the finite NTK.

    The angle is 2 atan2(|x_i - x_j|, |x_i + x_j|) of the normalised rows; arccos would lose half of the
    digits near parallel rows.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        No row may be zero. The paper's rows have unit norm.
    selection_prob : float, default 1.0
        xi.

    Returns
    -------
    ndarray, shape (n, n)

    Examples
    --------
    >>> infinite_ntk(np.eye(2))
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    angle = np.empty((len(X), len(X)))
    for i, x in enumerate(unit):  # differences, not cosines: they keep all digits
        angle[i] = 2 * np.arctan2(np.linalg.norm(unit - x, axis=1), np.linalg.norm(unit + x, axis=1))
    return selection_prob * (X @ X.T) * (np.pi - angle) / (2 * np.pi)
