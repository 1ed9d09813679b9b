"""Rows on one line through the origin, in time n log n: Theorem 1 needs that there are none.

`core.inputs.parallel_rows` names all pairs and compares all rows; this is for data of any size, where a file
with many equal rows would have too many pairs to name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray


class CollinearRows(NamedTuple):
    """Two or more rows on one line.

    Parameters
    ----------
    rows : tuple of int
        Ascending.
    signs : tuple of int
        1 for a row that is parallel to the first, -1 for one that is antipodal to it.
    """

    rows: tuple[int, ...]
    signs: tuple[int, ...]


def collinear_rows(X: FloatArray, tolerance: float = 1e-9) -> list[CollinearRows]:
    """Return the groups of rows that are parallel or antipodal to their first, to ``tolerance`` in angle.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Rows of norm 1.
    tolerance : float, default 1e-9
        In radians.

    Examples
    --------
    >>> collinear_rows(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]]))
    [CollinearRows(rows=(0, 2, 3), signs=(1, -1, 1))]
    """
    # Rows on one line have the same |<g, x>| for every g: sort by it, compare only rows with like values.
    g = np.cos(np.arange(1.0, X.shape[1] + 1))
    heights = np.abs(X @ (g / np.linalg.norm(g)))
    order = np.argsort(heights, kind="stable")
    cuts = np.flatnonzero(np.diff(heights[order]) > 2 * tolerance) + 1
    groups: list[CollinearRows] = []
    for candidates in np.split(order, cuts):
        if len(candidates) > 1:
            groups += _groups_among(X, np.sort(candidates), tolerance)
    return sorted(groups)


def _groups_among(X: FloatArray, candidates: IntArray, tolerance: float) -> list[CollinearRows]:
    groups: list[CollinearRows] = []
    while len(candidates) > 1:
        first, rest = X[candidates[0]], X[candidates]
        parallel = np.linalg.norm(rest - first, axis=1) <= tolerance
        antipodal = np.linalg.norm(rest + first, axis=1) <= tolerance
        together = parallel | antipodal
        if together.sum() > 1:
            signs = np.where(parallel, 1, -1)[together]
            groups.append(CollinearRows(tuple(candidates[together].tolist()), tuple(signs.tolist())))
        candidates = candidates[~together]
    return groups
