"""A round of Algorithm 1 on all rows while activation patterns stay: everything is diagonal in H's eigenvectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .course import recursion
from .neuron_noise import matrix_root
from .round_map import geometric_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.arrays import FloatArray
    from .course import Course
    from .neuron_noise import ProductNoise
    from .round_map import RoundMap

    Forget = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


class EigenRound:
    """What a round makes of the mean error e, and of the covariance F of the error; see `MatrixRound` for shards.

    Parameters
    ----------
    round_map : RoundMap
    kernel : ndarray, shape (n, n)
        H, with the factor xi.

    Attributes
    ----------
    kernel, eigenvalues, eigenvectors : ndarray
        H, and its eigenvalues and eigenvectors.
    pull : ndarray, shape (n, n)
        S = eta sum_t (I - eta H)^t.
    """

    def __init__(self, round_map: RoundMap, kernel: FloatArray) -> None:
        self._map, self.kernel = round_map, kernel
        self.eigenvalues, self.eigenvectors = np.linalg.eigh(kernel)
        self._s = round_map.pull(self.eigenvalues)
        self._gain = round_map.gain(self.eigenvalues)
        self._rho = 1 - self._gain
        self.pull = (self.eigenvectors * self._s) @ self.eigenvectors.T

    def shared_root(self, C: FloatArray, error: FloatArray, F: FloatArray, rounds: int) -> FloatArray:
        """Return a root of the covariance of what moves all neurons in some rounds and is not yet taken back."""
        U, s = self.eigenvectors, self._s
        several = geometric_sum(np.outer(self._rho, self._rho), rounds)
        noise = self._map.shared * self._map.mask_variance * (U.T @ C @ U)
        return self._map.coverage * U @ matrix_root(several * noise * np.outer(s, s))

    def taken_back(self, rounds: int) -> FloatArray:
        """Return what later rounds leave of a move that all neurons share."""
        return (self.eigenvectors * self._rho**rounds) @ self.eigenvectors.T

    def sizes(self, C: FloatArray, error: FloatArray) -> FloatArray:
        """Return equal shares of a round's way for its local steps, shape (tau,)."""
        return np.full(self._map.local_steps, 1 / self._map.local_steps)

    def write(
        self,
        course: Course,
        start: int,
        errors: FloatArray,
        F: FloatArray,
        C: FloatArray,
        products: ProductNoise | None = None,
        forget: Forget | None = None,
    ) -> FloatArray:
        """Write the rounds after ``start`` and return F after them.

        Parameters
        ----------
        course : Course
        start : int
        errors : ndarray, shape (rounds + 1, n)
        F, C : ndarray, shape (n, n)
            F at the start, C in the middle.
        products : ProductNoise, optional
        forget : callable, optional
            `Forgetting.left` with the patterns at the end.
        """
        U, rounds = self.eigenvectors, len(errors) - 1
        c = U.T @ C @ U
        added = self._map.shared * self._map.mask_variance * np.outer(self._gain, self._gain) * c
        if products is not None:
            added += np.diag(products.variance(C, errors[0]))
        before, both = U.T @ F @ U, np.outer(self._rho, self._rho)
        after = both**rounds * before + geometric_sum(both, rounds) * added
        noise = recursion(np.diag(before), self._rho**2, np.diag(added), rounds)
        if forget is not None:
            born = geometric_sum(self._rho**2, rounds) * np.diag(added)
            left = forget(U, born, self._rho**rounds)
            kept = np.divide(left, noise[-1], out=np.ones_like(left), where=noise[-1] > 0)
            after, noise = after * np.sqrt(np.outer(kept, kept)), noise * np.linspace(1, kept, rounds + 1)
        course.write(start, errors @ U, noise, np.diag(c), self.eigenvalues)
        return U @ after @ U.T
