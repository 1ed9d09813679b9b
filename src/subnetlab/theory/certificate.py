"""A bound of the training error that a run has earned: proven afterwards, from its own masks, kernels and crossings.

`round_parts` gives e_{k+1} = T_k e_k + m_k + c_k: what round k makes of the error, what its masks add, and what the
crossings of kinks add. So with Phi_{K,k} = T_{K-1} ... T_k

    |e_K| <= |Phi_{K,0} e_0 + sum_k Phi_{K,k+1} m_k| + sum_k |Phi_{K,k+1} c_k|,

the linear part exactly, crossings by their lengths; and, weaker, B_{k+1} = |T_k| B_k + |m_k| + |c_k| from B_0 = |e_0|.
docs/derivations/certificate.md has the proof and says what is gained.

Rounding. T_k, m_k and c_k are whatever floating point made of them. What they miss of the step from the computed error
of one network to that of the next, the defect, is itself computed and added with everything else that was rounded away:
a product with an n x n matrix is off by at most gamma_n = n u / (1 - n u) times |T|_F |v|, u = 2**-53, in any order of
summation (Higham, Accuracy and Stability, 2002, Section 3.5). These lengths add up to a slack that the next round
multiplies by a certified bound of |T_k|. Last, the network's own error is computed with at most `error_radius`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.arrays import UNIT_ROUNDOFF as _U
from ..core.network import network_output
from ..kernels.certified import certified_smallest_eigenvalue

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray
    from ..core.network import ShallowReLU
    from .round_parts import RoundParts

_LOST = 2.0**-500  # above what squares and products that underflow can take from a length
_MOST_COLUMNS = 256  # of crossings kept apart; beyond, neighbours in time are added up


@dataclass(frozen=True, eq=False)
class Certificate:
    """What a run proved of its training error |y - u_k|^2; all but the counts and factors are squared lengths.

    Parameters
    ----------
    measured : ndarray, shape (K + 1,)
        |y - u_k|^2.
    bound : ndarray, shape (K + 1,)
        At least |y - u_k|^2 in exact arithmetic: the linear part, and the lengths of what crossings contribute.
    bound_by_norms : ndarray, shape (K + 1,)
        The same from norms alone, round by round; at least ``bound``.
    start : ndarray, shape (K + 1,)
        |Phi_{k,0} e_0|^2, what is left of the first error.
    masks : ndarray, shape (K + 1,)
        What the differences between subnetworks and network have put in.
    crossings : ndarray, shape (K + 1,)
        The square of the sum of the lengths of what crossings have put in.
    rounding : ndarray, shape (K + 1,)
        What rounding adds to the length, squared.
    factors : ndarray, shape (K,)
        Bounds of the 2-norms |T_k|.
    crossed : ndarray of int, shape (K,)
        How many activation patterns changed in each round, within local steps and by aggregation.
    """

    measured: FloatArray
    bound: FloatArray
    bound_by_norms: FloatArray
    start: FloatArray
    masks: FloatArray
    crossings: FloatArray
    rounding: FloatArray
    factors: FloatArray
    crossed: IntArray

    def __repr__(self) -> str:
        return (
            f"Certificate(after {len(self.factors)} rounds |y - u|^2 <= {self.bound[-1]:.4g}, "
            f"{self.ratio:.3g} times the measured; by norms alone <= {self.bound_by_norms[-1]:.4g})"
        )

    def __str__(self) -> str:
        rounds, factor = len(self.factors), self.factors.max(initial=0.0)
        sentences = [
            f"The run's certificate, proven from its own masks, kernels and {self.crossed.sum():,} crossings of kinks: "
            f"|y - u|^2 is at most {self.bound[-1]:.4g} after {rounds} rounds, {self.ratio:.3g} times the measured. "
            f"The parts that add up to it have the squared lengths {self.start[-1]:.4g} (what is left of the first "
            f"error), {self.masks[-1]:.4g} (what subnetworks that differ from the network have put in) and, at most, "
            f"{self.crossings[-1]:.4g} (crossings). From norms alone, round by round, it is at most "
            f"{self.bound_by_norms[-1]:.4g}; a round multiplies the error's length by at most {factor:.6g}."
        ]
        if self.vacuous:
            sentences.append("The certificate is vacuous: it never falls below the first error.")
        elif self.bound_by_norms[1:].min(initial=np.inf) >= self.measured[0]:
            sentences.append("That bound by norms is vacuous: it never falls below the first error.")
        return " ".join(sentences)

    @property
    def ratio(self) -> float:
        """The bound over the measured error after the last round."""
        return float(self.bound[-1] / self.measured[-1]) if self.measured[-1] else math.inf

    @property
    def vacuous(self) -> bool:
        """Whether the bound never falls below the first error."""
        return bool(self.bound[1:].min(initial=np.inf) >= self.measured[0])


class CertificateBuilder:
    """A certificate as it grows round by round.

    Parameters
    ----------
    network : ShallowReLU
        At the start.
    X, y : ndarray, shapes (n, d) and (n,)
    selection_prob : float
        xi.
    """

    def __init__(self, network: ShallowReLU, X: FloatArray, y: FloatArray, selection_prob: float) -> None:
        self._X, self._y, self._xi = X, y, selection_prob
        self.error, radius = self._error(network)
        n = len(y)
        self._start, self._masks = self.error, np.zeros(n)
        self._linear, self._columns = self.error, np.zeros((n, 0))
        self._slack, self._by_norms = 0.0, _length(self.error)
        self._rows: list[tuple[float, ...]] = []
        self._factors: list[float] = []
        self._crossed: list[int] = []
        self._note(radius)

    def add(self, parts: RoundParts, network: ShallowReLU, crossed: int) -> None:
        """Take up a round that ends with ``network``."""
        T, m, c = parts
        after, radius = self._error(network)
        factor, size = _certified_norm(T), _length(T)
        steps = self._columns.shape[1]
        lengths = _length(self._linear) + _length(m) + _lengths(self._columns)
        rounded = _gamma(len(m) + 2) * (1 + size) * lengths
        defect = _length(after - (T @ self.error + m + c)) + _gamma(len(m) + 6) * (
            size * _length(self.error) + _length(m) + _length(c) + _length(after)
        )
        self._start, self._masks, self._linear = T @ self._start, T @ self._masks + m, T @ self._linear + m
        self._columns = np.column_stack([T @ self._columns, c])
        if steps + 1 > _MOST_COLUMNS:  # a sum is no longer than its parts together
            rounded += 2 * _U * _lengths(self._columns)
            self._columns = _pairs(self._columns)
        self._slack = _up(factor * self._slack + rounded + defect)
        self._by_norms = _up(factor * self._by_norms + _length(m) + _length(c) + defect)
        self.error = after
        self._factors.append(factor)
        self._crossed.append(crossed)
        self._note(radius)

    def build(self) -> Certificate:
        """Return the certificate of the rounds so far."""
        measured, bound, by_norms, start, masks, crossings, rounding = np.array(self._rows).T
        factors, crossed = np.array(self._factors), np.array(self._crossed, dtype=np.int64)
        return Certificate(measured, bound, by_norms, start, masks, crossings, rounding, factors, crossed)

    def _error(self, network: ShallowReLU) -> tuple[FloatArray, float]:
        error = network_output(self._X, network.weights, network.output_weights, self._xi) - self._y
        return error, error_radius(network, self._X, error, self._xi)

    def _note(self, radius: float) -> None:
        crossings, rounding = _lengths(self._columns), _up(self._slack + radius)
        bound = _up(_length(self._linear) + crossings + rounding)
        by_norms = _up(self._by_norms + radius)
        lengths = (_length(self.error), bound, by_norms, _length(self._start), _length(self._masks), crossings)
        self._rows.append(tuple(_up(length * length) for length in (*lengths, rounding)))


def error_radius(network: ShallowReLU, X: FloatArray, error: FloatArray, selection_prob: float) -> float:
    """Return a bound of the distance of the computed u - y from the exact one.

    An inner product of d terms is off by gamma_d |w_r| |x_j|; relu does not widen that; the sum over m neurons, the
    factor xi / sqrt m and the difference to y add m + 4 roundings. So entry j is off by at most
    gamma_{m+d+6} (xi / sqrt m) sum_r |w_r| |x_j|, and by u |u_j - y_j|.
    """
    m, d = network.weights.shape
    energy = float(np.sum(np.linalg.norm(network.weights.astype(np.float64), axis=1))) * selection_prob / math.sqrt(m)
    products = _gamma(m + d + 6) * energy * _length(X)
    return _up(products * (1 + 4 * (m + d) * _U) + _U * _length(error) + _LOST)


def _certified_norm(T: FloatArray) -> float:
    """Return a proven bound of |T|_2, the root of the largest eigenvalue of T'T."""
    size = np.abs(T)
    off = 2 * _gamma(len(T) + 1) * (size.T @ size) + _LOST
    return _up(math.sqrt(max(0.0, -certified_smallest_eigenvalue(-(T.T @ T), entry_error=off))))


def _pairs(columns: FloatArray) -> FloatArray:
    """Return the sums of columns 0 and 1, 2 and 3, ...; the last one stays alone if they are odd in number."""
    even = columns[:, ::2].copy()
    even[:, : columns.shape[1] // 2] += columns[:, 1::2]
    return even


def _length(v: FloatArray) -> float:
    """Return a bound of the 2-norm, of all entries."""
    return float(np.linalg.norm(v)) * (1 + (v.size + 8) * _U) + _LOST


def _lengths(columns: FloatArray) -> float:
    """Return a bound of the sum of the columns' 2-norms."""
    n, count = columns.shape
    return float(np.sum(np.linalg.norm(columns, axis=0))) * (1 + (n + count + 8) * _U) + count * _LOST


def _gamma(k: int) -> float:
    return k * _U / (1 - k * _U)


def _up(x: float) -> float:
    """Return x raised by more than what a few sums and products of numbers above zero were rounded."""
    return x * (1 + 16 * _U) + _LOST
