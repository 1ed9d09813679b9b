"""The course of a prediction: what it says of each round, written interval by interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .round_map import geometric_sum

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from .round_map import RoundMap

GROWTH = 1.1  # of the intervals: each ends at most this factor later than it starts, and lasts at least one round


class Course:
    """Mean and noise of the whole network's error after each round, and the subnetworks' errors inside rounds.

    Within an interval the kernel, C and the noise of a round stay, so that in the eigenvectors of the kernel, with
    rho = 1 - gain, the mean error obeys e_{k+1} = rho e_k + drift and the noise b_{k+1} = rho^2 b_k + added.

    Attributes
    ----------
    mean, noise : ndarray, shape (K + 1,)
        |E u_k - y|^2 and E |u_k - E u_k|^2.
    subnetworks : ndarray, shape (K, tau + 1)
        E |f^l - y|^2 right after sampling and after each local step.
    """

    def __init__(self, round_map: RoundMap, rounds: int) -> None:
        self._map = round_map
        self.mean = np.empty(rounds + 1)
        self.noise = np.zeros(rounds + 1)
        self.subnetworks = np.empty((rounds, round_map.local_steps + 1))

    def write(self, start: int, errors: FloatArray, noise: FloatArray, C: FloatArray, eigenvalues: FloatArray) -> None:
        """Write the rounds after ``start``.

        Parameters
        ----------
        start : int
        errors, noise : ndarray, shape (rounds + 1, n)
            The mean error and the variance in each eigenvector, from round ``start`` on.
        C : ndarray, shape (n,)
            The diagonal of C in the eigenvectors.
        eigenvalues : ndarray, shape (n,)
            Of H, with the factor xi.
        """
        stop = start + len(errors) - 1
        squares = errors**2
        self.mean[start : stop + 1] = squares.sum(axis=1)
        self.noise[start : stop + 1] = noise.sum(axis=1)
        steps = np.arange(self._map.local_steps + 1)[:, np.newaxis]
        per_step = self._map.step_factor(eigenvalues) ** (2 * steps)  # (tau + 1, n)
        self.subnetworks[start:stop] = (squares[:-1] + noise[:-1] + self._map.mask_variance * C) @ per_step.T

    def write_squares(self, start: int, mean: FloatArray, noise: FloatArray, subnetworks: FloatArray) -> None:
        """Write the rounds after ``start``: mean and noise, shape (rounds + 1,), and subnetworks (rounds, tau + 1)."""
        stop = start + len(mean) - 1
        self.mean[start : stop + 1], self.noise[start : stop + 1] = mean, noise
        self.subnetworks[start:stop] = subnetworks

    def diverge(self, start: int, mean: float, noise: float) -> None:
        """Write that errors are infinite after round ``start``, where they are still known."""
        self.mean[start:], self.noise[start:], self.subnetworks[start:] = np.inf, np.inf, np.inf
        self.mean[start], self.noise[start] = mean, noise


def recursion(start: FloatArray, ratio: FloatArray, added: FloatArray, rounds: int) -> FloatArray:
    """Return x_0, x_1 = q x_0 + a, and so on, shape (rounds + 1, n)."""
    k = np.arange(rounds + 1.0)[:, np.newaxis]
    return ratio**k * start + geometric_sum(ratio, k) * added


def next_stop(start: int, rounds: int, longest: float, growth: float = GROWTH) -> int:
    """Return the end of the interval that begins at ``start``."""
    return max(start + 1, int(min(rounds, growth * start, start + longest)))
