"""The local steps of one subnetwork: the arithmetic of the primal engine on neurons that are already gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import get_blas_funcs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.arrays import BoolArray, FloatArray


class LocalPhase:
    """Outputs and gradient steps for any set of neurons of a network of ``width``; keeps its scratch memory.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        In the dtype of the weights.
    y : ndarray of float64, shape (n,)
    width : int
        m of the whole network.
    """

    def __init__(self, X: FloatArray, y: FloatArray, width: int) -> None:
        self._X = X
        self._y = y
        self._root = np.sqrt(width)
        self._gemm: Any = get_blas_funcs("gemm", dtype=X.dtype)
        self._Z = np.empty((0, len(X)), X.dtype)
        self._S = np.empty((0, len(X)), X.dtype)
        self._active: BoolArray = np.empty((0, len(X)), bool)

    def output(self, W: FloatArray, a: FloatArray) -> FloatArray:
        """Return (1 / sqrt m) sum_r a_r relu(<w_r, x_i>) over the neurons given, float64, shape (n,)."""
        Z, S, _ = self._scratch(len(W))
        np.dot(W, self._X.T, out=Z)
        return self._sum(Z, a, S)

    def steps(
        self,
        W: FloatArray,
        a: FloatArray,
        step_size: float,
        local_steps: int,
        row_weights: FloatArray | None,
        too_late: Callable[[], bool] = lambda: False,
    ) -> tuple[FloatArray, bool]:
        """Move W by tau local steps in place (Algorithm 1, lines 5 to 8).

        Returns
        -------
        errors : ndarray of float64, shape (tau + 1,)
            |y - f|^2 before the first step and after each.
        in_time : bool
            False if ``too_late``, which is asked before each step, was true; W is of no use then.
        """
        Z, S, active = self._scratch(len(W))
        rate = -step_size / self._root
        np.dot(W, self._X.T, out=Z)
        errors = np.empty(local_steps + 1)
        for t in range(local_steps):
            residual = self._sum(Z, a, S) - self._y
            errors[t] = residual @ residual
            if too_late():
                errors[1:] = errors[0]  # the subnetwork stays where it was
                return errors, False
            if row_weights is not None:
                residual *= row_weights[t]
            np.greater_equal(Z, 0, out=active)
            np.multiply(active, residual.astype(S.dtype), out=S)
            S *= a[:, np.newaxis]
            if len(W):  # BLAS sees the transposes, which are in its column order: W += rate S X in place
                self._gemm(rate, self._X.T, S.T, beta=1.0, c=W.T, overwrite_c=True)
            np.dot(W, self._X.T, out=Z)
        residual = self._sum(Z, a, S) - self._y
        errors[local_steps] = residual @ residual
        return errors, True

    def _sum(self, Z: FloatArray, a: FloatArray, S: FloatArray) -> FloatArray:
        np.maximum(Z, 0, out=S)
        return (a @ S).astype(np.float64) / self._root

    def _scratch(self, count: int) -> tuple[FloatArray, FloatArray, BoolArray]:
        if count > len(self._Z):
            capacity = count + count // 64  # categorical subnetworks differ a little from round to round
            n, dtype = len(self._X), self._X.dtype
            del self._Z, self._S, self._active  # before their successors are there
            self._Z, self._S = np.empty((capacity, n), dtype), np.empty((capacity, n), dtype)
            self._active = np.empty((capacity, n), bool)
        return self._Z[:count], self._S[:count], self._active[:count]
