"""The masked NTK of a subnetwork, and local steps while no activation pattern changes.

K^l is kept as T + T' (Section 3; K^l_ij = (1/m) G_ij sum_r m^l_r P_ri P_rj): a pattern change touches one row and
one column of K, but only one row of T, which is contiguous. Rows are padded with zeros to a multiple of eight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...kernels.compilation import compiled
from ...kernels.patterns import add_pair_counts
from .lanes import MODES

if TYPE_CHECKING:
    from ...core.arrays import FloatArray, IntArray, WordArray
    from .gram import GramMatrix

_LEAST_SQUARE = 1e-200
_WORDS_AT_ONCE = 1024
_FLAGS = {"reassoc", "contract", "nsz"}


def fill_kernel(by_row: WordArray, mask: WordArray, gram: FloatArray, m: int, counts: IntArray, T: FloatArray) -> None:
    """T = the upper triangle of K^l with half of its diagonal; counts (n, n) is scratch."""
    counts[:] = 0
    for start in range(0, len(mask), _WORDS_AT_ONCE):
        part = slice(start, start + _WORDS_AT_ONCE)
        add_pair_counts(by_row[:, part] & mask[part], counts)
    scale_counts(counts, gram, 1.0 / m, T)


def _scale_counts(counts: IntArray, gram: FloatArray, scale: float, T: FloatArray) -> None:
    """T_ij = scale G_ij counts_ij above the diagonal, half of it there and 0 below."""
    n, padded = gram.shape
    for i in range(n):
        for j in range(i):
            T[i, j] = 0.0
        T[i, i] = 0.5 * scale * gram[i, i] * counts[i, i]
        for j in range(i + 1, n):
            T[i, j] = scale * gram[i, j] * counts[i, j]
        for j in range(n, padded):
            T[i, j] = 0.0


def _multiply(T: FloatArray, x: FloatArray, product: FloatArray) -> None:
    """Product = (T + T') x in one pass over T."""
    n, padded = T.shape
    product[:] = 0.0
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
        all_ *= 1.0 + 4.0 * (len(c) + 8) * 2.0**-53
        return 0.5 * rate * (all_ + net), 0.5 * rate * (all_ - net)


def _widen(gram: FloatArray, size: FloatArray, driving: FloatArray, rate: float, grown: FloatArray) -> None:
    """grown_j += rate max(sum_i max(0, driving_i G_ij), sum_i max(0, -driving_i G_ij)), bounds the motion of a step.

    Like `bound_motion`, for one step and both directions together; raised by more than the rounding errors.
    """
    n, padded = gram.shape
    raised = 1.0 + 4.0 * (padded + 8) * 2.0**-53
    for j in range(n):
        row, sizes = gram[j], size[j]
        net, all_ = 0.0, 0.0
        for i in range(padded):
            net += row[i] * driving[i]
            all_ += sizes[i] * abs(driving[i])
        grown[j] += 0.5 * rate * (all_ * raised + abs(net))


widen = compiled(_widen, fastmath=_FLAGS, inner=True)
multiply = compiled(_multiply, fastmath=_FLAGS, inner=True)
scale_counts = compiled(_scale_counts)


def _frozen_phase(
    T: FloatArray,
    residual: FloatArray,
    seen: FloatArray,
    sample_weight: FloatArray,
    step_size: float,
    c: FloatArray,
    travel: FloatArray,
    errors: FloatArray,
    modes: FloatArray,
) -> None:
    """Run tau steps r <- r - eta K (seen_t * r) with patterns as they are; add up residuals and record errors.

    Parameters
    ----------
    residual : ndarray, shape (padded,)
        f - y at the start; at the end that after the last step.
    seen : ndarray, shape (tau, padded)
        The factor of each row in each step.
    modes : ndarray, shape (MODES, padded)
        Becomes an orthonormal basis of what drives the first step, one early step and the last: the
        directions in which residuals will be found, decay being fast first and slow later.
    """
    padded = len(residual)
    product, driving = np.empty(padded), np.empty(padded)
    c[:] = 0.0
    travel[:] = 0.0
    for mode in range(MODES):
        for i in range(padded):
            modes[mode, i] = 0.0
    last = len(seen) - 1
    early = int(np.sqrt(len(seen)))
    for t in range(len(seen)):
        errors[t] = weighted_square(residual, sample_weight)
        for i in range(padded):
            driving[i] = seen[t, i] * residual[i]
            c[i] += driving[i]
            travel[i] += abs(driving[i])
        mode = 0 if t == 0 else (2 if t == last else (1 if t == early else -1))
        if mode >= 0:
            for i in range(padded):
                modes[mode, i] = driving[i]
        multiply(T, driving, product)
        for i in range(padded):
            residual[i] -= step_size * product[i]
    errors[len(seen)] = weighted_square(residual, sample_weight)
    orthonormalize(modes)


def _orthonormalize(modes: FloatArray) -> None:
    """Make the rows orthonormal, or zero where they add no direction; nothing depends on how exactly."""
    padded = modes.shape[1]
    for k in range(MODES):
        for e in range(k):
            along = 0.0
            for i in range(padded):
                along += modes[k, i] * modes[e, i]
            for i in range(padded):
                modes[k, i] -= along * modes[e, i]
        square = 0.0
        for i in range(padded):
            square += modes[k, i] * modes[k, i]
        usable = square > _LEAST_SQUARE and square < 1.0 / _LEAST_SQUARE  # neither NaN nor near overflow
        scale = 1.0 / np.sqrt(square) if usable else 0.0
        for i in range(padded):
            modes[k, i] = scale * modes[k, i] if usable else 0.0


def _weighted_square(residual: FloatArray, sample_weight: FloatArray) -> float:
    """Return sum_i s_i residual_i^2."""
    total = 0.0
    for i in range(len(residual)):
        total += sample_weight[i] * residual[i] * residual[i]
    return total


weighted_square = compiled(_weighted_square, fastmath=_FLAGS, inner=True)
orthonormalize = compiled(_orthonormalize, inner=True)
frozen_phase = compiled(_frozen_phase)
