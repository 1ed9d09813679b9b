"""The Gram matrix of the data, the masked NTK of a subnetwork, and local steps while no activation pattern changes.

K^l is kept as T + T' (Section 3; K^l_ij = (1/m) G_ij sum_r m^l_r P_ri P_rj): a pattern change touches one row and
one column of K, but only one row of T, which is contiguous. Rows are padded with zeros to a multiple of eight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...compiled.compilation import compiled
from ...compiled.masked_sums import LANES
from ...compiled.patterns import add_pair_counts
from ...compiled.vector_code import aligned_zeros
from ...core.arrays import UNIT_ROUNDOFF

if TYPE_CHECKING:
    from ...core.arrays import FloatArray, IntArray, WordArray

_WORDS_AT_ONCE = 1024
_FLAGS = {"reassoc", "contract", "nsz"}


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


def fill_kernel(by_row: WordArray, mask: WordArray, gram: GramMatrix, m: int, counts: IntArray, T: FloatArray) -> None:
    """T = the upper triangle of K^l with half of its diagonal, zero behind column n before too; counts is scratch."""
    counts[:] = 0
    for start in range(0, len(mask), _WORDS_AT_ONCE):
        part = slice(start, start + _WORDS_AT_ONCE)
        add_pair_counts(by_row[:, part] & mask[part], counts)
    here = T[:, : len(counts)]
    np.multiply(gram.upper, 1.0 / m, out=here)
    here *= counts


def _multiply(T: FloatArray, x: FloatArray, product: FloatArray) -> None:
    """Product = (T + T') x in one pass over T."""
    n, padded = T.shape
    for j in range(padded):
        product[j] = 0.0
    for i in range(n):
        row, factor, total = T[i], x[i], 0.0
        for j in range(padded):
            total += row[j] * x[j]
            product[j] += factor * row[j]
        product[i] += total


def bound_motion(gram: GramMatrix, c: FloatArray, travel: FloatArray, rate: float) -> tuple[FloatArray, FloatArray]:
    """Bound from both sides how far q_rj = a_r z_rj can have moved from its start, for any pattern of neuron r.

    down_j = rate sum over steps and i of max(0, residual_i G_ij), up_j the same of max(0, -residual_i G_ij). Both
    follow from c_i = sum of residuals and travel_i = sum of their absolute values. They are raised by more than the
    rounding errors of the sums.

    Returns
    -------
    down, up : ndarray, shape (n,)
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is noticed by its errors
        net, all_ = gram.values @ c, gram.sizes @ travel
        all_ *= 1.0 + 4.0 * (len(c) + 8) * UNIT_ROUNDOFF
        return 0.5 * rate * (all_ + net), 0.5 * rate * (all_ - net)


def _widen(gram: FloatArray, size: FloatArray, driving: FloatArray, rate: float, grown: FloatArray) -> None:
    """grown_j += rate max(sum_i max(0, driving_i G_ij), sum_i max(0, -driving_i G_ij)), bounds the motion of a step.

    Like `bound_motion`, for one step and both directions together; raised by more than the rounding errors.
    """
    n, padded = gram.shape
    raised = 1.0 + 4.0 * (padded + 8) * UNIT_ROUNDOFF
    for j in range(n):
        row, sizes = gram[j], size[j]
        net, all_ = 0.0, 0.0
        for i in range(padded):
            net += row[i] * driving[i]
            all_ += sizes[i] * abs(driving[i])
        grown[j] += 0.5 * rate * (all_ * raised + abs(net))


def _frozen_phase(
    T: FloatArray,
    residual: FloatArray,
    seen: FloatArray,
    sample_weight: FloatArray,
    step_size: float,
    product: FloatArray,
    driving: FloatArray,
    errors: FloatArray,
) -> None:
    """Run tau steps r <- r - eta K (seen_t * r) with patterns as they are; record errors and what drives each step.

    Parameters
    ----------
    residual : ndarray, shape (padded,)
        f - y at the start; at the end that after the last step.
    seen : ndarray, shape (tau, padded)
        The factor of each row in each step.
    product : ndarray, shape (padded,)
        Scratch.
    driving : ndarray, shape (tau, padded)
        Becomes seen_t * r of each step.
    """
    for t in range(len(seen)):
        errors[t] = weighted_square(residual, sample_weight)
        for i in range(len(residual)):
            driving[t, i] = seen[t, i] * residual[i]
        multiply(T, driving[t], product)
        for i in range(len(residual)):
            residual[i] -= step_size * product[i]
    errors[len(seen)] = weighted_square(residual, sample_weight)


def _weighted_square(residual: FloatArray, sample_weight: FloatArray) -> float:
    """Return sum_i s_i residual_i^2."""
    total = 0.0
    for i in range(len(residual)):
        total += sample_weight[i] * residual[i] * residual[i]
    return total


widen = compiled(_widen, fastmath=_FLAGS, inner=True)
multiply = compiled(_multiply, fastmath=_FLAGS, inner=True)
weighted_square = compiled(_weighted_square, fastmath=_FLAGS, inner=True)
frozen_phase = compiled(_frozen_phase)
