"""The Gram matrix of the data, padded for vector code."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...compiled.masked_sums import LANES
from ...compiled.vector_code import aligned_zeros

if TYPE_CHECKING:
    from ...core.arrays import FloatArray


class GramMatrix(NamedTuple):
    """G = X X' with rows padded to a multiple of eight by zeros."""

    values: FloatArray  # (n, padded)
    sizes: FloatArray  # (n, padded), |G|; the same array where no entry is negative
    norms: FloatArray  # (n,), of the rows of G
    upper: FloatArray  # (n, n), G above the diagonal, half of it there, zero below

    @classmethod
    def of(cls, X: FloatArray) -> GramMatrix:
        """Return the Gram matrix of the rows of X."""
        n = len(X)
        values = aligned_zeros((n, -(-n // LANES) * LANES), np.float64)
        values[:, :n] = X @ X.T
        norms = np.sqrt(np.einsum("ij,ij->i", values, values))
        upper = np.triu(values[:, :n], 1) + np.diag(0.5 * values.diagonal())
        return cls(values, values if values.min() >= 0 else np.abs(values), norms, upper)

    def padded(self, rows: FloatArray) -> FloatArray:
        """Return vectors over the data, (..., n), with zeros behind n."""
        padded = np.zeros((*rows.shape[:-1], self.values.shape[1]))
        padded[..., : rows.shape[-1]] = rows
        return padded
