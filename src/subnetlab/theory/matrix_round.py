"""A round of Algorithm 1 with shards or minibatches while activation patterns stay, in the limit of width.

With all rows everything is diagonal in the eigenvectors of the kernel. Where subnetwork l sees the rows E_l alone, its
local training moves neurons by -P_r S_l times its error, S_l = eta sum_t (I - eta E_l H E_l)^t E_l, and matrices do
not commute any more. But A = theta H S, with S the mean of the S_l, is similar to a symmetric matrix, so that powers
of I - A cost what one costs. docs/derivations has the noise of masks and of batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .neuron_noise import matrix_root
from .round_map import as_shares, geometric_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.arrays import FloatArray
    from .course import Course
    from .round_map import RoundMap


class MatrixRound:
    """What a round makes of the mean error e, and of the covariance F of the error.

    Parameters
    ----------
    round_map : RoundMap
        With rows.
    kernel : ndarray, shape (n, n)
        H, with the factor xi.

    Attributes
    ----------
    kernel, pull : ndarray, shape (n, n)
        H, and S, the mean of the S_l.
    """

    def __init__(self, round_map: RoundMap, kernel: FloatArray) -> None:
        if round_map.rows is None:
            raise ValueError("MatrixRound: round_map must have rows, got None: EigenRound is about all rows")
        self._map, self.kernel, self._rows = round_map, kernel, round_map.rows
        h, V = np.linalg.eigh(kernel)
        root = (V * np.sqrt(np.maximum(h, 0))) @ V.T
        self._pulls = [self._pull_of(seen) for seen in self._rows.seen]
        self.pull = self._mean(self._pulls)
        rates, Q = np.linalg.eigh(round_map.coverage * root @ self.pull @ root)
        self._rates, self._rho = rates, 1 - rates
        self._L = root @ Q  # A = L diag(rates) L^(-1); (I - A)^k = I - L diag(1 + rho + ... + rho^(k - 1)) R
        self._R = round_map.coverage * self._L.T @ self.pull

    def _mean(self, matrices: list[FloatArray]) -> FloatArray:
        return np.tensordot(np.array(self._rows.shares), np.array(matrices), 1)

    def _pull_of(self, seen: FloatArray) -> FloatArray:
        own = np.flatnonzero(seen)
        h, V = np.linalg.eigh(self.kernel[np.ix_(own, own)])
        S = np.zeros_like(self.kernel)
        S[np.ix_(own, own)] = (V * self._map.pull(h)) @ V.T
        return S

    def errors(self, error: FloatArray, drift: FloatArray, rounds: int) -> FloatArray:
        """Return e_0, e_1 = (I - A) e_0 + drift, and so on, shape (rounds + 1, n)."""
        k = np.arange(rounds + 1.0)[:, np.newaxis]
        sums = geometric_sum(self._rho, k)
        before = np.vstack([np.zeros_like(self._rho), np.cumsum(sums, axis=0)[:-1]])
        return error + k * drift - (sums * (self._R @ error) + before * (self._R @ drift)) @ self._L.T

    def answer(self, rounds: int) -> tuple[FloatArray, FloatArray]:
        """Return by what a drift moves the last error, and the mean of the errors before it, as matrices."""
        k = np.arange(rounds + 1.0)[:, np.newaxis]
        before = np.vstack([np.zeros_like(self._rho), np.cumsum(geometric_sum(self._rho, k), axis=0)[:-1]])
        unit = np.eye(len(self.kernel))
        last = rounds * unit - (self._L * before[-1]) @ self._R
        return last, (rounds - 1) / 2 * unit - (self._L * before[:-1].mean(axis=0)) @ self._R

    def covariance(self, F: FloatArray, noise: FloatArray, rounds: int) -> FloatArray:
        """Return F after some rounds, each of which adds H noise H."""
        power = np.eye(len(F)) - (self._L * geometric_sum(self._rho, rounds)) @ self._R
        several = geometric_sum(np.outer(self._rho, self._rho), rounds)
        return power @ F @ power.T + self._L @ (several * (self._L.T @ noise @ self._L)) @ self._L.T

    @property
    def stable(self) -> bool:
        """Whether the mean error does not grow."""
        return bool(np.all(np.abs(self._rho) <= 1 + 1e-9))

    def end_of_mean(self, error: FloatArray) -> FloatArray:
        """Return the limit of (I - A)^k e."""
        used = self._rates > 1e-12 * self._rates.max()
        return error - self._L[:, used] @ ((self._R @ error)[used] / self._rates[used])

    def settled(self, noise: FloatArray) -> FloatArray:
        """Return the covariance that a noise keeps up in the long run; the rates must be between 0 and 2."""
        left = 1 - np.outer(self._rho, self._rho)
        added = self._L.T @ noise @ self._L
        return self._L @ np.divide(added, left, out=np.zeros_like(left), where=left > 1e-12) @ self._L.T

    def variances(self, weight: FloatArray, F: FloatArray, noise: FloatArray, rounds: int) -> FloatArray:
        """Return tr (weight F_k) for k = 0, ..., rounds, where each round adds H noise H to F."""
        L, R = self._L, self._R
        WL = weight @ L
        weighed, added = L.T @ WL, L.T @ noise @ L
        k = np.arange(rounds + 1.0)[:, np.newaxis]
        sums, powers = geometric_sum(self._rho, k), self._rho**k
        left = 1 - np.outer(self._rho, self._rho)
        near = np.abs(left) < 1e-12
        kept = np.where(near, 0.0, weighed * added / np.where(near, 1.0, left))
        total = np.sum(weight * F) - 2 * sums @ np.einsum("ij,ji->i", R @ F, WL)
        total += np.einsum("ki,ij,kj->k", sums, (R @ F @ R.T) * weighed, sums, optimize=True)
        total += kept.sum() - np.einsum("ki,ij,kj->k", powers, kept, powers, optimize=True)
        return total + k[:, 0] * np.sum(np.where(near, weighed * added, 0.0))

    @property
    def _per_step(self) -> Sequence[FloatArray]:
        """W_t for t = 0, ..., tau: the mean over subnetworks of E |r_t|^2 is tr W_t E[r_0 r_0']."""
        n, H, eta = len(self.kernel), self.kernel, self._map.step_size
        mean = [np.eye(n)] + [np.zeros((n, n)) for _ in range(self._map.local_steps)]
        for share, seen, spread in self._rows:
            W, step = np.eye(n), np.eye(n) - eta * H * seen
            for total in mean[1:]:
                W = step.T @ W @ step + eta**2 * spread * (H @ W @ H)
                total += share * W
        return mean

    def noise(self, C: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the covariance of what moves neurons in a round: what all share, and what each has for itself.

        Parameters
        ----------
        C : ndarray, shape (n, n)
        second : ndarray, shape (n, n)
            E[(u - y) (u - y)'].
        """
        numbers, S = self._map, self.pull
        xi, theta, p = numbers.mask_variance, numbers.coverage, numbers.n_subnetworks
        between = numbers.between
        each = self._mean([T @ C @ T for T in self._pulls])
        batches = self._batches(second + xi * C)
        shared = theta**2 * ((xi - between) / p * each + between * (S @ C @ S) + batches / p)
        which = self._mean([T @ second @ T for T in self._pulls]) - S @ second @ S
        several = (p * numbers.mean_step - theta) / max(p - 1, 1)
        return shared, numbers.mean_step * (xi * each + batches) - shared + several * which

    def chance(self, second: FloatArray) -> FloatArray:
        """Return the covariance of the mean move that a neuron makes or not, as it is selected or not."""
        theta = self._map.coverage
        return theta * (1 - theta) * (self.pull @ second @ self.pull)

    def own_root(self, C: FloatArray, error: FloatArray, F: FloatArray, rounds: int) -> FloatArray:
        """Return a root of the covariance of what moves a neuron alone in some rounds, besides its selection."""
        _, own = self.noise(C, np.outer(error, error) + F)
        return matrix_root(rounds * (own + self.chance(F)))

    def shared_root(self, C: FloatArray, error: FloatArray, F: FloatArray, rounds: int) -> FloatArray:
        """Return a root of the covariance of what moves all neurons in some rounds and is not yet taken back."""
        shared, _ = self.noise(C, np.outer(error, error) + F)
        several = geometric_sum(np.outer(self._rho, self._rho), rounds)
        return np.linalg.pinv(self._L, rcond=1e-9).T @ matrix_root(several * (self._L.T @ shared @ self._L))

    def taken_back(self, rounds: int) -> FloatArray:
        """Return what later rounds leave of a move that all neurons share."""
        return np.eye(len(self.kernel)) - ((self._L * geometric_sum(self._rho, rounds)) @ self._R).T

    def loss_at_the_end(self, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what a round leaves of a loss of output, and the sum of steps that answer to it, as matrices.

        Each local step brings the given share of it.
        """
        n, eta = len(self.kernel), self._map.step_size
        left, answered = np.zeros((n, n)), np.zeros((n, n))
        for share, seen, _ in self._rows:
            now = np.zeros((n, n))
            for part in shares:
                driving = eta * seen[:, np.newaxis] * now
                answered += share * driving
                now = now - self.kernel @ driving + part * np.eye(n)
            left += share * now
        return left, answered

    def sizes(self, C: FloatArray, error: FloatArray) -> FloatArray:
        """Return by how much each local step moves outputs, shape (tau,), as shares of all."""
        squares = np.zeros(self._map.local_steps)
        for share, seen, _ in self._rows:
            R, moves = np.outer(error, error) + self._map.mask_variance * C, self.kernel * seen
            step = np.eye(len(error)) - self._map.step_size * moves
            for t in range(len(squares)):
                squares[t] += share * np.sum((moves @ R) * moves)
                R = step @ R @ step.T
        return as_shares(squares)

    def write(
        self,
        course: Course,
        start: int,
        errors: FloatArray,
        F: FloatArray,
        C: FloatArray,
    ) -> FloatArray:
        """Write the rounds after ``start`` and return F after them; `EigenRound.write` has the parameters.

        The noise of batches answers to F: it is taken twice, the second time with the mean of F over the rounds. The
        noise of products, of order 1/m, is left out.
        """
        rounds = len(errors) - 1
        of_mean = errors[:-1].T @ errors[:-1] / rounds
        shared, _ = self.noise(C, of_mean + F)
        after = self.covariance(F, shared, rounds)
        if self._map.batched:
            shared, _ = self.noise(C, of_mean + F + (after - F) * (rounds - 1) / (2 * rounds))
        masks = self._map.mask_variance * C
        inside = [
            np.sum((errors @ W) * errors, axis=1) + self.variances(W, F, shared, rounds) + np.sum(W * masks)
            for W in self._per_step
        ]
        noise = np.maximum(self.variances(np.eye(len(F)), F, shared, rounds), 0)  # not below by rounding
        noise[0] = np.trace(F)  # nor far above it, where the later ones are huge
        course.write_squares(start, np.sum(errors**2, axis=1), noise, np.transpose(inside)[:-1])
        return self.covariance(F, shared, rounds)

    def _batches(self, second: FloatArray) -> FloatArray:
        """Return the mean over subnetworks of the covariance that batches give what moves neurons."""
        H, eta, total = self.kernel, self._map.step_size, np.zeros_like(self.kernel)
        for share, seen, spread in self._rows:
            if not spread.any():
                continue
            step, R, D = np.eye(len(H)) - eta * H * seen, second, np.zeros_like(H)
            for _ in range(self._map.local_steps):
                added = eta**2 * spread * R
                D = step.T @ D @ step + added
                R = step @ R @ step.T + H @ added @ H
            total += share * D
        return total
