"""Angles between all pairs of rows, accurate even for nearly parallel rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled.compilation import compiled
from ..core.inputs import unit_rows
from ..surroundings import undisturbed

if TYPE_CHECKING:
    from ..core.arrays import FloatArray


@undisturbed()
def pair_angles(X: FloatArray) -> FloatArray:
    """Return the angles between the rows, 2 atan2(|x_i - x_j|, |x_i + x_j|) of the normalised rows.

    The arccos of <x_i, x_j> would lose half of the digits near parallel rows. Absolute error below (3 d + 40) u with
    u = 2**-53, the unit roundoff (see `subnetlab.kernels.infinite.infinite_ntk_entry_error`).

    Parameters
    ----------
    X : ndarray, shape (n, d)
        No row may be zero.

    Returns
    -------
    ndarray, shape (n, n)
        In [0, pi], symmetric. The memory is the result and one copy of X.

    Examples
    --------
    >>> pair_angles(np.array([[1.0, 0.0], [0.0, 2.0]])) / np.pi
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    unit = unit_rows(np.asarray(X, dtype=np.float64))
    angles = np.empty((len(unit), len(unit)))
    fill_angles(np.ascontiguousarray(unit), angles)
    return angles


def _fill_angles(unit: FloatArray, angles: FloatArray) -> None:
    n, d = unit.shape
    for i in range(n):
        for j in range(i + 1):
            difference = 0.0
            total = 0.0
            for c in range(d):
                minus = unit[i, c] - unit[j, c]
                plus = unit[i, c] + unit[j, c]
                difference += minus * minus
                total += plus * plus
            angle = 2.0 * math.atan2(math.sqrt(difference), math.sqrt(total))
            angles[i, j] = angle
            angles[j, i] = angle


# the order of a sum may change (so that it vectorises), nothing else
fill_angles = compiled(_fill_angles, fastmath={"reassoc", "contract", "nsz"})
