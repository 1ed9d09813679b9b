"""Which residuals drive a local step: shards, minibatches and sample weights as one factor per row and step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.rows import LocalRows


def row_weights(
    rows: LocalRows | None, l: int, local_steps: int, n_samples: int, sample_weight: FloatArray | None = None
) -> FloatArray:
    """Return the factor of row i's residual in subnetwork l's step t, zero for rows that are not seen.

    Returns
    -------
    ndarray, shape (tau, n)

    Examples
    --------
    >>> from subnetlab.core.rows import LocalRows
    >>> seen = LocalRows(indices=(np.array([[0, 2], [1, 2]]),), scales=(1.5,))
    >>> row_weights(seen, 0, local_steps=2, n_samples=3)
    array([[1.5, 0. , 1.5],
           [0. , 1.5, 1.5]])
    """
    if rows is None:
        weights = np.ones((local_steps, n_samples))
    else:
        weights = np.zeros((local_steps, n_samples))
        np.put_along_axis(weights, rows.indices[l], rows.scales[l], axis=1)
    return weights if sample_weight is None else weights * sample_weight
