"""The few numbers of a round that predictions need, and what a round makes of an eigenvector of the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.masks.law import partitions
from .moments import mask_moments

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.masks import MaskLaw
    from .seen_rows import SeenRows

_LARGEST_LOG = 100.0  # of a factor of which some powers are still numbers


@dataclass(frozen=True)
class RoundMap:
    """A round of Algorithm 1 while activation patterns stay, in the limit of width.

    The fluctuation d^l of a subnetwork's output has the covariance xi (1 - xi) C. All neurons share its mean d over the
    subnetworks; what moves a single neuron besides is its own draw of the masks.

    Parameters
    ----------
    n_subnetworks : int
        p.
    selection_prob, coverage : float
        xi and theta.
    shared, own : float
        Cov d = shared xi (1 - xi) C: 1 / p for Bernoulli masks, 0 for categorical ones, where the mean is zero in any
        draw. The noise that other neurons do not share has own xi (1 - xi) C, with own = E[eta_r] - theta^2 shared.
    step_size : float
        eta.
    local_steps : int
        tau.
    rows : SeenRows, optional
        With shards or minibatches; None where every subnetwork sees all rows in every step.
    """

    n_subnetworks: int
    selection_prob: float
    coverage: float
    shared: float
    own: float
    step_size: float
    local_steps: int
    rows: SeenRows | None = None

    @classmethod
    def of(cls, masks: MaskLaw, step_size: float, local_steps: int, rows: SeenRows | None = None) -> RoundMap:
        """Return the numbers for a mask law.

        Raises
        ------
        ValueError
            If the theory says nothing about the law.
        """
        moments = mask_moments(masks)
        theta = float(moments.coverage)
        shared = 0.0 if partitions(masks) else 1 / moments.n_subnetworks
        return cls(
            n_subnetworks=moments.n_subnetworks,
            selection_prob=float(moments.selection_prob),
            coverage=theta,
            shared=shared,
            own=float(moments.mean_step) - theta**2 * shared,
            step_size=step_size,
            local_steps=local_steps,
            rows=rows,
        )

    @property
    def mask_variance(self) -> float:
        """Return xi (1 - xi), by which C becomes the covariance of a subnetwork's output."""
        return self.selection_prob * (1 - self.selection_prob)

    @property
    def mean_step(self) -> float:
        """Return E[eta_r]."""
        return self.own + self.coverage**2 * self.shared

    @property
    def between(self) -> float:
        """Return by what C becomes the covariance of two subnetworks' outputs: 0 where masks are independent."""
        p = self.n_subnetworks
        return self.mask_variance * (self.shared - 1 / p) * p / max(p - 1, 1)

    @property
    def batched(self) -> bool:
        """Whether a subnetwork sees other rows in each local step."""
        return self.rows is not None and any(spread.any() for spread in self.rows.spreads)

    def overflows(self, eigenvalues: FloatArray) -> bool:
        """Return whether a round multiplies errors by so much that products of them are no numbers, at NTK eigenvalues.

        Such a step is far beyond what is stable, so that nothing is lost by not following it.
        """
        factor = np.abs(self.step_factor(self.selection_prob * eigenvalues)).max()
        return not self.local_steps * np.log(max(float(factor), 1.0)) < _LARGEST_LOG

    def step_factor(self, eigenvalues: FloatArray) -> FloatArray:
        """Return 1 - eta h, what a local step makes of an error, for eigenvalues h of H (with the factor xi)."""
        return 1 - self.step_size * eigenvalues

    def pull(self, eigenvalues: FloatArray) -> FloatArray:
        """Return S = eta sum_t (1 - eta h)^t: local training moves neurons by -P_r S times their error."""
        factor = self.step_factor(eigenvalues)
        total = np.zeros_like(factor)
        for _ in range(self.local_steps):
            total = 1 + factor * total
        return self.step_size * total

    def pull_differences(self, eigenvalues: FloatArray) -> FloatArray:
        """Return S[j, c] = (S_j - S_c) / (h_j - h_c), its derivative at equal ones, shape (n, n).

        With the kernel changed by dK, S changes by S[j, c] dK_jc in the eigenvectors of H, to first order. It is found
        by its sum, which has no difference of near equal numbers.
        """
        q = self.step_factor(eigenvalues)
        powers, inner, total = np.ones_like(q), np.zeros((len(q), len(q))), np.zeros((len(q), len(q)))
        for _ in range(1, self.local_steps):  # inner: the sum over i < t of q_j^i q_c^(t - 1 - i)
            inner = q[:, np.newaxis] * inner + powers
            powers = powers * q
            total += inner
        return -(self.step_size**2) * total

    def gain(self, eigenvalues: FloatArray) -> FloatArray:
        """Return theta (1 - (1 - eta h)^tau), the share of the mean error that a round takes away."""
        step = self.step_size * eigenvalues
        small = np.abs(step) < 0.5
        left = -np.expm1(self.local_steps * np.log1p(-np.where(small, step, 0.0)))  # right where 1 - eta h rounds to 1
        return self.coverage * np.where(small, left, 1 - self.step_factor(eigenvalues) ** self.local_steps)


def as_shares(squares: FloatArray) -> FloatArray:
    """Return the sizes of moves, whose squares are given, as shares of all."""
    sizes = np.sqrt(np.maximum(squares, 0))  # not below by rounding
    return sizes / max(float(sizes.sum()), 1e-300)


def geometric_sum(ratio: FloatArray, terms: FloatArray | int) -> FloatArray:
    """Return 1 + q + ... + q^(terms - 1), also at q = 1."""
    near_one = np.abs(1 - ratio) < 1e-12
    safe = np.where(near_one, 0.0, ratio)
    return np.where(near_one, terms, (1 - safe**terms) / (1 - safe))
