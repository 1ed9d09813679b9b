"""Quantities that depend on single neurons in the lazy regime: the noise of products, the bias of dropout.

Both are of order 1/m and are estimated from a sample of neurons, which are independent of each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray
    from .lazy import LazyModel
    from .round_map import RoundMap

_ROOM = 2**26  # of n^3 numbers per neuron: how many neurons are looked at
_FEWEST, _MOST = 32, 256


class ProductNoise:
    """The noise of order 1/m that a round adds: the masks change the kernel together with what it is applied to.

    With m^l_r the masks, the round adds -xi sum_l (dB^l S + (theta / (p xi)) H dS^l) (e + d^l) to the error, where
    dB^l = sum_r (eta_r m^l_r - theta / p) P_r, dS^l is the change of S with the kernel dK^l of subnetwork l, and d^l
    the fluctuation of its output. Neurons are independent, so that variances add up over neurons. In the eigenvectors
    of H, with the divided difference S[j, c] = (S_j - S_c) / (h_j - h_c), dS_jc = S[j, c] dK_jc, and neuron r enters by

        Y_jc = S_c P_jc,   Z_jc = h_j S[j, c] P_jc,
        Y_jc + Z_jc = P_jc ((1 - eta h_j)^tau - (1 - eta h_c)^tau) / (h_c - h_j),

    with the coefficients that the moments of the masks give. For categorical masks nothing else is noise: the d^l sum
    to zero in every draw, and so do the dK^l. For Bernoulli masks it matters where C has worn off, or is small.

    Parameters
    ----------
    round_map : RoundMap
    patterns : ndarray of bool, shape (n, k)
        Of a sample of neurons, of which as many are taken as is cheap.
    X : ndarray, shape (n, d)
    width : int
        m.
    eigenvalues, eigenvectors : ndarray, shapes (n,) and (n, n)
        Of H, with the factor xi.
    turn : int, default 0
        Other neurons of the sample are taken in the next turn, so that their chance averages out over intervals.
    """

    def __init__(
        self,
        round_map: RoundMap,
        patterns: BoolArray,
        X: FloatArray,
        width: int,
        eigenvalues: FloatArray,
        eigenvectors: FloatArray,
        turn: int = 0,
    ) -> None:
        n = len(X)
        count = int(min(patterns.shape[1], max(_FEWEST, min(_MOST, _ROOM // n**3))))
        every = patterns.shape[1] // count
        active = patterns[:, turn % every :: every][:, :count].T
        masked = active[:, :, np.newaxis] * eigenvectors  # (k, n, n): the eigenvectors on the neuron's rows
        kernel = masked.transpose(0, 2, 1) @ (X @ X.T) @ masked / width
        slope = round_map.pull_differences(eigenvalues)
        self._map = round_map
        self._Z = kernel * (eigenvalues[:, np.newaxis] * slope)
        self._sum = kernel * round_map.pull(eigenvalues) + self._Z  # Y + Z
        self._weight = width / count * round_map.selection_prob**2
        self._vectors = eigenvectors

    def variance(self, C: FloatArray, error: FloatArray) -> FloatArray:
        """Return the variance that a round adds in each eigenvector, shape (n,).

        Parameters
        ----------
        C : ndarray, shape (n, n)
        error : ndarray, shape (n,)
            The mean error e. Both in the original rows.
        """
        numbers = self._map
        if numbers.selection_prob == 1:
            return np.zeros(len(error))
        root = matrix_root(numbers.mask_variance * (self._vectors.T @ C @ self._vectors))
        of_sum = np.sum((self._sum @ root) ** 2, axis=(0, 2))
        if not numbers.shared:
            return self._weight * numbers.own * of_sum
        p, xi, theta = numbers.n_subnetworks, numbers.selection_prob, numbers.coverage
        spread = theta**2 * (1 - xi) / (p * xi)  # of sum_l (m^l_r / xi - 1) theta / p
        of_Y = np.sum(((self._sum - self._Z) @ root) ** 2, axis=(0, 2))
        e = self._vectors.T @ error
        of_e = theta * (1 - theta) * np.sum((self._sum @ e) ** 2 - (self._Z @ e) ** 2, axis=0)
        of_e += spread * np.sum((self._Z @ e) ** 2, axis=0)
        return self._weight * (spread * of_sum + (numbers.own - spread) * of_Y + of_e)


def dropout_bias(model: LazyModel, selection_prob: float) -> FloatArray:
    """Return y - u in the limit of many rounds of Bernoulli masks with tau = 1, averaged over the masks.

    By Lemma 2 the masks act as a penalty: E |y - f|^2 = |y - u|^2 + xi (1 - xi) / m sum_ri s_ri^2. While patterns are
    fixed it is quadratic and its minimum is the limit of E W_k for every p and step size that converges:

        y - u = (I + xi / (1 - xi) sum_r Pi_r)^(-1) y,

    where Pi_r projects on the span of the columns of D_r X. The bias is of order 1/m, and reached after some
    m / (eta lambda) rounds only, so a run shows little of it.

    Parameters
    ----------
    model : LazyModel
    selection_prob : float
        xi.

    Returns
    -------
    ndarray, shape (n,)
        In the original rows, not in the eigenvectors. Zero for xi = 1.
    """
    n, xi = len(model.X), selection_prob
    if xi == 1:
        return np.zeros(n)
    mean = np.zeros((n, n))
    for active in model.patterns.T:
        masked = model.X * active[:, np.newaxis]
        left, values, _ = np.linalg.svd(masked, full_matrices=False)
        span = left[:, values > values[0] * n * np.finfo(float).eps] if values.size and values[0] > 0 else left[:, :0]
        mean += span @ span.T
    mean *= model.width / model.patterns.shape[1]
    y = model.eigenvectors @ model.targets
    return np.linalg.solve(np.eye(n) + xi / (1 - xi) * mean, y)


def matrix_root(C: FloatArray) -> FloatArray:
    """Return S with S S' = C, for a C that is positive semidefinite up to rounding."""
    values, vectors = np.linalg.eigh(C)
    return vectors * np.sqrt(np.maximum(values, 0))
