"""The neural tangent kernel of a network of finite width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.inputs import check_features
from ..core.randomness import Purpose, standard_normals
from ..surroundings import undisturbed
from .eigenvalues import largest_eigenvalue
from .krylov import EXHAUSTED, krylov_spaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.arrays import FloatArray
    from ..core.network import ShallowReLU


_DENSE_ROWS = 1000
_ACCURACY = 1e-3  # of an eigenvalue by Lanczos iteration
_LOOKING, _MOST_PRODUCTS = 12, 300  # to see that there is a larger eigenvalue, and to find it
_BLOCK_ENTRIES = 1 << 24  # of a block of patterns, to bound the memory


@undisturbed()
def finite_ntk(network: ShallowReLU, X: FloatArray, selection_prob: float = 1.0) -> FloatArray:
    """Return H_ij = (xi / m) <x_i, x_j> sum_r 1{<w_r, x_i> >= 0} 1{<w_r, x_j> >= 0}.

    Parameters
    ----------
    network : ShallowReLU
    X : ndarray, shape (n, d)
        No row may be zero.
    selection_prob : float, default 1.0
        xi.

    Returns
    -------
    ndarray, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If X does not fit the network, or xi is outside (0, 1].

    Examples
    --------
    >>> from subnetlab import ShallowReLU
    >>> net = ShallowReLU(np.array([[1.0, 0.0], [-1.0, 1.0]]), np.ones(2))
    >>> finite_ntk(net, np.eye(2))  # <w_0, x_1> = 0 counts as active
    array([[0.5, 0. ],
           [0. , 1. ]])
    """
    X = check_features(X, owner="finite_ntk", n_features=network.n_features)
    return _kernel(network, X, checks.probability("finite_ntk", "selection_prob", selection_prob))


def _kernel(network: ShallowReLU, X: FloatArray, xi: float) -> FloatArray:
    from ..compiled.patterns import network_patterns, pair_counts

    H = X @ X.T
    H *= xi / network.width
    H *= pair_counts(network_patterns(network.weights, X))
    return H


@undisturbed()
def largest_ntk_eigenvalue(network: ShallowReLU, X: FloatArray) -> float:
    """Return lambda_max of the finite NTK with xi = 1, without forming it for many rows.

    Above 1,000 rows it comes from Lanczos iteration on v -> H v with the patterns P (m x n):
    H v = (1/m) sum_r P_r * (X X' (P_r * v)), accurate to 1e-3 relative.

    Parameters
    ----------
    network : ShallowReLU
    X : ndarray, shape (n, d)
        Rows may be zero: those of samples without weight are.
    """
    n = len(X)
    if n <= _DENSE_ROWS:
        return largest_eigenvalue(_kernel(network, X, 1.0))
    weights = network.weights
    block = max(1, _BLOCK_ENTRIES // n)

    def multiply(v: FloatArray) -> FloatArray:
        product = np.zeros(n)
        for start in range(0, len(weights), block):
            active = weights[start : start + block] @ X.T >= 0
            product += (((active * v.ravel()) @ X @ X.T) * active).sum(axis=0)
        return product / len(weights)

    return _lanczos(multiply, n)


@undisturbed()
def largest_outputs_ntk_eigenvalue(network: ShallowReLU, X: FloatArray) -> float:
    """Return lambda_max of the finite NTK of all outputs together, of size n o, with xi = 1.

    Its blocks are (1/m) <x_i, x_j> sum_r a_ro a_rq 1{<w_r, x_i> >= 0} 1{<w_r, x_j> >= 0}. For one output and signs of
    -1 and +1 it is the kernel of `largest_ntk_eigenvalue`. By Lanczos iteration, accurate to 1e-3 relative.

    Parameters
    ----------
    network : ShallowReLU
    X : ndarray, shape (n, d)
    """
    a = network.output_weights.reshape(network.width, -1)
    active = network.weights @ X.T >= 0
    shape = (a.shape[1], len(X))

    def multiply(v: FloatArray) -> FloatArray:
        slopes = active * (a @ v.reshape(shape))  # (m, n)
        return (a.T @ ((slopes @ X @ X.T) * active)).ravel() / network.width

    return _lanczos(multiply, shape[0] * shape[1])


def _lanczos(multiply: Callable[[FloatArray], FloatArray], size: int) -> float:
    """Return the largest eigenvalue of a symmetric operator, none of them negative, to 1e-3 relative.

    ARPACK starts from a vector of ones, so that step sizes of earlier versions keep their bits. But a symmetry of the
    operator can make that vector orthogonal to the top eigenvector, or map it to zero, as with two outputs that are
    opposites. A few products with a random vector tell whether there is a larger eigenvalue, long before the factor of
    two that would make a step unstable; if so, the Krylov space of the random vector is used instead.
    """
    if size == 1:
        return float(multiply(np.ones(1))[0])
    random = standard_normals(0, Purpose.START_VECTORS, 0, 1, size)[0]
    found, least = _by_arpack(multiply, size), _in_krylov_space(multiply, random, _LOOKING)
    return found if least <= (1 + _ACCURACY) * found else _in_krylov_space(multiply, random, _MOST_PRODUCTS)


def _by_arpack(multiply: Callable[[FloatArray], FloatArray], size: int) -> float:
    """Return the largest eigenvalue that ARPACK finds from a vector of ones, 0 if it gives up."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    operator = LinearOperator((size, size), matvec=multiply, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    try:
        top = eigsh(operator, k=1, which="LA", v0=np.ones(size), tol=_ACCURACY, return_eigenvectors=False)  # pyright: ignore[reportArgumentType]
    except ArpackError:
        return 0.0
    return float(top[0])


def _in_krylov_space(multiply: Callable[[FloatArray], FloatArray], start: FloatArray, products: int) -> float:
    """Return the largest eigenvalue in the span of start, H start, H H start, ..., at most the true one.

    It ends early once the eigenvalue has the accuracy of `_lanczos` or no further vector is left.
    """
    top = 0.0
    for k, space in enumerate(krylov_spaces(multiply, start, products)):
        values, vectors = space.eigen()
        top = float(values[-1])
        converged = space.rest * abs(vectors[-1, -1]) <= _ACCURACY * top
        if space.rest <= EXHAUSTED * top or (k >= _LOOKING and converged):
            break
    return top
