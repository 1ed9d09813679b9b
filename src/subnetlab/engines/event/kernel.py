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

_LEAST_SQUARE = 1e-200
_WORDS_AT_ONCE = 1024
_FLAGS = {"reassoc", "contract", "nsz"}


def _fill_kernel(by_row: WordArray, mask: WordArray, gram: FloatArray, m: int, counts: IntArray, T: FloatArray) -> None:
    """T = the upper triangle of K^l with half of its diagonal; counts (n, n) is scratch."""
    n, words = by_row.shape
    counts[:, :] = 0
    for start in range(0, words, _WORDS_AT_ONCE):
        stop = min(start + _WORDS_AT_ONCE, words)
        add_pair_counts(by_row[:, start:stop] & mask[start:stop], counts)
    scale = 1.0 / m
    for i in range(n):
        T[i, :] = 0.0
        T[i, i] = 0.5 * scale * gram[i, i] * counts[i, i]
        for j in range(i + 1, n):
            T[i, j] = scale * gram[i, j] * counts[i, j]


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


def _bound_motion(
    gram: FloatArray,
    size: FloatArray,
    c: FloatArray,
    travel: FloatArray,
    rate: float,
    down: FloatArray,
    up: FloatArray,
) -> None:
    """Bound from both sides how far q_rj = a_r z_rj can have moved from its start, for any pattern of neuron r.

    down_j = rate sum over steps and i of max(0, residual_i G_ij), up_j the same of max(0, -residual_i G_ij). Both
    follow from c_i = sum of residuals and travel_i = sum of their absolute values; ``size`` is |G|. They are raised
    by more than the rounding errors of the sums.
    """
    n, padded = gram.shape
    raised = 1.0 + 4.0 * (padded + 8) * 2.0**-53
    for j in range(n):
        row, sizes = gram[j], size[j]
        net, all_ = 0.0, 0.0
        for i in range(padded):
            net += row[i] * c[i]
            all_ += sizes[i] * travel[i]
        down[j] = 0.5 * rate * (all_ * raised + net)
        up[j] = 0.5 * rate * (all_ * raised - net)


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


widen = compiled(_widen, fastmath=_FLAGS)
multiply = compiled(_multiply, fastmath=_FLAGS)
bound_motion = compiled(_bound_motion, fastmath=_FLAGS)
fill_kernel = compiled(_fill_kernel)


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
    modes : ndarray, shape (padded, 8)
        The first columns become an orthonormal basis of what drives the first step, one early step and the last: the
        directions in which residuals will be found, decay being fast first and slow later.
    """
    padded = len(residual)
    product, driving = np.empty(padded), np.empty(padded)
    c[:] = 0.0
    travel[:] = 0.0
    modes[:, :] = 0.0
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
            modes[:, mode] = driving
        multiply(T, driving, product)
        for i in range(padded):
            residual[i] -= step_size * product[i]
    errors[len(seen)] = weighted_square(residual, sample_weight)
    orthonormalize(modes)


def _orthonormalize(modes: FloatArray) -> None:
    """Make the first columns orthonormal, or zero where they add no direction; nothing depends on how exactly."""
    padded = len(modes)
    for k in range(MODES):
        for e in range(k):
            along = 0.0
            for i in range(padded):
                along += modes[i, k] * modes[i, e]
            for i in range(padded):
                modes[i, k] -= along * modes[i, e]
        square = 0.0
        for i in range(padded):
            square += modes[i, k] * modes[i, k]
        usable = _LEAST_SQUARE < square < 1.0 / _LEAST_SQUARE  # neither NaN nor near overflow
        for i in range(padded):
            modes[i, k] = modes[i, k] / np.sqrt(square) if usable else 0.0


def _weighted_square(residual: FloatArray, sample_weight: FloatArray) -> float:
    """Return sum_i s_i residual_i^2."""
    total = 0.0
    for i in range(len(residual)):
        total += sample_weight[i] * residual[i] * residual[i]
    return total


weighted_square = compiled(_weighted_square, fastmath=_FLAGS)
orthonormalize = compiled(_orthonormalize, fastmath=_FLAGS)
frozen_phase = compiled(_frozen_phase)
