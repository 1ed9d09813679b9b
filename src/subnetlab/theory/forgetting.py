"""What is left of the noise of earlier rounds, while neurons cross kinks and take with them what they were given.

Training answers to noise as to any error: what a round adds in an eigenvector of the kernel is multiplied by
rho = 1 - gain in each later round. But neurons also forget it. Whatever moved the output on row x_i by neurons that
were active there counts on x_j only for those of them that are active on x_j now, by the kernel of two times,

    K(T, t) = (<x_i, x_j> / m sum_r P_rj(T) P_ri(t))_ij,   keep(T, t) = u' K(T, t) u / u' K(t, t) u

in an eigenvector u. The noise v_b of interval b, and what training did against it later, are forgotten alike:

    v_b(T) = keep(T, b) v_b - sum_k keep(T, k) (1 - rho_k^L_k) v_b(k),   k = b + 1, b + 2, ... up to T.

Slow directions forget much faster than patterns change, because their eigenvalues are the small differences that the
diagonal of the kernel makes. docs/derivations/prediction.md has the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

_MOST_INTERVALS = 48  # that are remembered; what is left of older noise is forgotten no further


class Forgetting:
    """The variance that is left in each eigenvector of the kernel, interval by interval.

    Parameters
    ----------
    inner : ndarray, shape (n, n)
        The inner products of the rows.
    patterns : ndarray, shape (neurons, n)
        1 where a sampled neuron is active at first, else 0.
    """

    def __init__(self, inner: FloatArray, patterns: FloatArray) -> None:
        n = len(inner)
        self._inner = inner
        self._patterns = [patterns]  # at the start of each interval
        self._kernels = [self._kernel(patterns, patterns)]
        self._born = np.empty((0, n))
        self._answered = np.empty((0, n))
        self._shares = np.zeros((1, 0, n))  # [k, b]: what is left of the noise of interval b when k starts
        self._older = np.zeros(n)

    def left(self, patterns: FloatArray, eigenvectors: FloatArray, born: FloatArray, rho: FloatArray) -> FloatArray:
        """Return the variance at the end of an interval, shape (n,), and remember the interval.

        Parameters
        ----------
        patterns : ndarray, shape (neurons, n)
            At the end of the interval.
        eigenvectors : ndarray, shape (n, n)
            Of the kernel in it.
        born : ndarray, shape (n,)
            The variance at its end that its own rounds have added.
        rho : ndarray, shape (n,)
            What its rounds together leave of an error.
        """
        kernels = [self._kernel(patterns, then) for then in self._patterns]
        two, one = (np.einsum("ij,kij->kj", eigenvectors, K @ eigenvectors) for K in (kernels, self._kernels))
        kept = np.clip(np.divide(two, one, out=np.ones_like(two), where=one > 0), 0, 1)
        middle = (kept + np.vstack([kept[1:], np.ones_like(rho)])) / 2  # moves come before and after crossings
        self._born = np.vstack([self._born, born])
        self._answered = np.vstack([self._answered, 1 - rho])
        count = len(self._born)
        before = np.zeros((count, count, len(rho)))
        before[:, : count - 1] = self._shares
        now = middle - np.einsum("kn,kbn->bn", middle * self._answered, before)
        self._shares = np.concatenate([before, now[np.newaxis]])
        self._patterns.append(patterns)
        self._kernels.append(self._kernel(patterns, patterns))
        self._older = self._older * rho**2
        total = self._older + np.sum(self._born * now**2, axis=0)
        if count == _MOST_INTERVALS:
            self._let_go_of_the_oldest()
        return total

    def _kernel(self, now: FloatArray, then: FloatArray) -> FloatArray:
        return self._inner * (now.T @ then)

    def _let_go_of_the_oldest(self) -> None:
        self._older += self._born[0] * self._shares[-1, 0] ** 2
        self._born, self._answered = self._born[1:], self._answered[1:]
        self._shares, self._patterns, self._kernels = self._shares[1:, 1:], self._patterns[1:], self._kernels[1:]
