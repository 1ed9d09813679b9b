"""The neural tangent kernel of a network of finite width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .eigenvalues import largest_eigenvalue

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.network import ShallowReLU


_DENSE_ROWS = 1000
_BLOCK_ENTRIES = 1 << 24  # of a block of patterns, to bound the memory


def finite_ntk(network: ShallowReLU, X: FloatArray, selection_prob: float = 1.0) -> FloatArray:
    """Return H_ij = (xi / m) <x_i, x_j> sum_r 1{<w_r, x_i> >= 0} 1{<w_r, x_j> >= 0}.

    Parameters
    ----------
    network : ShallowReLU
    X : ndarray, shape (n, d)
    selection_prob : float, default 1.0
        xi.

    Returns
    -------
    ndarray, shape (n, n)
    """
    from .patterns import network_patterns, pair_counts

    H = X @ X.T
    H *= selection_prob / network.width
    H *= pair_counts(network_patterns(network.weights, X))
    return H


def largest_ntk_eigenvalue(network: ShallowReLU, X: FloatArray) -> float:
    """Return lambda_max of the finite NTK with xi = 1, without forming it for many rows.

    Above 1,000 rows it comes from Lanczos iteration on v -> H v with the patterns P (m x n):
    H v = (1/m) sum_r P_r * (X X' (P_r * v)), accurate to 1e-3 relative.

    Parameters
    ----------
    network : ShallowReLU
    X : ndarray, shape (n, d)
    """
    n = len(X)
    if n <= _DENSE_ROWS:
        return largest_eigenvalue(finite_ntk(network, X))
    from scipy.sparse.linalg import LinearOperator, eigsh

    weights = network.weights
    block = max(1, _BLOCK_ENTRIES // n)

    def multiply(v: FloatArray) -> FloatArray:
        product = np.zeros(n)
        for start in range(0, len(weights), block):
            active = weights[start : start + block] @ X.T >= 0
            product += (((active * v.ravel()) @ X @ X.T) * active).sum(axis=0)
        return product / len(weights)

    operator = LinearOperator((n, n), matvec=multiply, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    top = eigsh(operator, k=1, which="LA", v0=np.ones(n), tol=1e-3, return_eigenvectors=False)  # pyright: ignore[reportArgumentType]
    return float(top[0])
