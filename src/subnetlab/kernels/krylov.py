"""Lanczos iteration: what products with a symmetric operator tell about its eigenvalues."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..core.arrays import FloatArray

EXHAUSTED = 1e-12  # of the largest eigenvalue: a next vector of this length is rounding


class KrylovSpace(NamedTuple):
    """The span of start, H start, H H start, ... after k products, and the operator in it.

    Parameters
    ----------
    T : ndarray, shape (k, k)
        The operator restricted to the space, in terms of the basis.
    basis : ndarray, shape (k, n)
        Orthonormal rows.
    rest : float
        What the operator leads out of the space: see `eigen`.
    """

    T: FloatArray
    basis: FloatArray
    rest: float

    def eigen(self) -> tuple[FloatArray, FloatArray]:
        """Return the eigenvalues of T, ascending, and their vectors s_i in columns.

        All of them lie between the operator's extreme ones, and |(H - values_i) v_i| = rest |s_i[-1]| for
        v_i = basis' s_i.
        """
        return np.linalg.eigh(self.T)


def krylov_spaces(
    multiply: Callable[[FloatArray], FloatArray], start: FloatArray, products: int
) -> Iterator[KrylovSpace]:
    """Yield the Krylov space after each product, of at most ``products``.

    Every vector is made orthogonal to all earlier ones, so that no eigenvalue appears twice. Whoever reads must stop
    where ``rest`` is zero to rounding (`EXHAUSTED`): no further vector is left.

    Parameters
    ----------
    multiply : callable
        v -> H v.
    start : ndarray, shape (n,)
        Not zero.
    products : int
    """
    basis = np.empty((min(products, len(start)), len(start)))
    vector, T = start, np.zeros((len(basis),) * 2)
    for k in range(len(basis)):
        basis[k] = vector / np.linalg.norm(vector)
        vector = multiply(basis[k])
        T[k, : k + 1] = T[: k + 1, k] = basis[: k + 1] @ vector
        for _ in range(2):
            vector = vector - basis[: k + 1].T @ (basis[: k + 1] @ vector)
        yield KrylovSpace(T[: k + 1, : k + 1], basis[: k + 1], float(np.linalg.norm(vector)))
