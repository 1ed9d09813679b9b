"""A proven lower bound of the smallest eigenvalue, from one Cholesky factorisation in floating point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..core.arrays import UNIT_ROUNDOFF
from ..core.inputs import check_symmetric
from ..surroundings import undisturbed
from .eigenvalues import smallest_eigenvalue

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

_SMALLEST_SUBNORMAL = 2.0**-1074
_ATTEMPTS = 60


@undisturbed()
def certified_smallest_eigenvalue(H: FloatArray, entry_error: float | FloatArray = 0.0) -> float:
    """Return a number that is proven to be at most lambda_min of a symmetric matrix.

    An estimate s of lambda_min is lowered, first by n^2 u max |H_ij| with u = 2**-53, until the floating-point
    Cholesky factorisation of B = H - s I succeeds.
    Then, with gamma = (n + 1) u / (1 - (n + 1) u), the factor satisfies R'R = B + D with
    |D_ij| <= gamma |r_i| |r_j| in every order of summation (Higham, Accuracy and Stability, 2002, Theorem 10.3).
    On the diagonal that gives |r_j|^2 <= b_jj / (1 - gamma), so |D_ij| <= gamma / (1 - gamma) sqrt(b_ii b_jj) and
    |D|_2 <= c = gamma / (1 - gamma) trace B. As R'R has no negative eigenvalue, lambda_min(B) >= -c (Rump,
    Verification of positive definiteness, 2006). The theorem counts one rounding for the quotient by r_jj; BLAS may
    multiply by the rounded 1 / r_jj instead, which makes two. An entry off the diagonal has at most n - 2 products and
    differences before its quotient, two roundings fewer than gamma counts, so gamma covers both ways.
    Each entry is a sum of at most n products and a quotient or root; an underflow in one of them costs at most the
    smallest subnormal e, times max(1, sqrt(b_jj)) for the quotient, so c also holds 3 n (2 n + max b_jj) e, Rump's
    term; 1 / r_jj itself neither underflows nor overflows, as r_jj is the root of a double. Last, b_jj = h_jj - s is
    rounded: u max |b_jj| more.

    Parameters
    ----------
    H : ndarray, shape (n, n)
        Symmetric and finite.
    entry_error : float or ndarray of shape (n, n), default 0
        If the true matrix differs from H by at most this in each entry, the bound is lowered by the largest row sum
        of it, which bounds its 2-norm, and holds for the true matrix; see `infinite_ntk_entry_error`.

    Returns
    -------
    float
        Below lambda_min by about twice c, some n u trace H. It may be negative: then nothing is shown.

    Raises
    ------
    TypeError, ValueError
        If H is no symmetric matrix of finite real numbers, or an entry error is negative.

    Examples
    --------
    >>> bound = certified_smallest_eigenvalue(np.diag([1.0, 2.0, 3.0]))
    >>> bool(1 - 1e-13 < bound < 1)
    True
    """
    H = check_symmetric(H, owner="certified_smallest_eigenvalue")
    widening = _norm_bound(entry_error, len(H))
    shift = smallest_eigenvalue(H)  # no proof yet
    step = max(float(np.max(np.abs(H))) * len(H) ** 2 * UNIT_ROUNDOFF, _SMALLEST_SUBNORMAL)
    for _ in range(_ATTEMPTS):
        shift -= step
        B = H.copy()
        np.fill_diagonal(B, np.diagonal(H) - shift)
        error = _factorisation_error(np.diagonal(B))
        if error is not None and _cholesky_succeeds(B):
            return math.nextafter(shift - math.nextafter(error + widening, math.inf), -math.inf)
        step *= 4
    raise ValueError("certified_smallest_eigenvalue: no shift made H positive definite; are its entries too large?")


def _norm_bound(entry_error: float | FloatArray, n: int) -> float:
    """Return a bound of |E|_2 for all |E_ij| <= entry_error_ij: the largest row sum, rounded up."""
    errors = np.broadcast_to(np.asarray(entry_error, dtype=np.float64), (n, n))
    if not np.all(errors >= 0):
        raise ValueError("certified_smallest_eigenvalue: entry_error must be at least 0, got a value that is not")
    sums = np.maximum(errors.sum(axis=0), errors.sum(axis=1))
    return float(np.max(sums)) * (1 + 2 * n * UNIT_ROUNDOFF)


def _factorisation_error(diagonal: FloatArray) -> float | None:
    """Return the bound c of the docstring, rounded up; None if it gives no finite bound."""
    n = len(diagonal)
    largest = float(np.max(np.abs(diagonal)))
    if not np.all(diagonal > 0) or not (n + 1) * UNIT_ROUNDOFF < 0.01:
        return None
    gamma = (n + 1) * UNIT_ROUNDOFF / (1 - (n + 1) * UNIT_ROUNDOFF)
    error = gamma / (1 - gamma) * float(np.sum(diagonal)) + largest * UNIT_ROUNDOFF
    error += 3 * n * (2 * n + largest) * _SMALLEST_SUBNORMAL
    return error * (1 + (n + 10) * 2 * UNIT_ROUNDOFF)


def _cholesky_succeeds(B: FloatArray) -> bool:
    try:
        return bool(np.isfinite(np.linalg.cholesky(B)).all())
    except np.linalg.LinAlgError:
        return False
