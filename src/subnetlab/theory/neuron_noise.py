"""Quantities that depend on single neurons in the lazy regime: the noise of categorical masks, the bias of dropout.

Both are of order 1/m and are estimated from a sample of neurons, which are independent of each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from .lazy import LazyModel


def categorical_noise(model: LazyModel, n_subnetworks: int, step_size: float, local_steps: int) -> FloatArray:
    """Return the noise variance that one round of categorical masks adds in each eigenvector.

    The subnetworks' outputs average to the full one in every draw, so noise enters by products only: subnetwork l has
    the kernel H + dK^l and the output u + d^l, and the round adds the mean over l of

        sum_t eta (I - eta H)^t dK^l (I - eta H)^(tau - 1 - t) d^l.

    In the eigenvectors that is sum_c G_jc dK^l_jc d^l_c with
    G_jc = ((1 - eta h_j)^tau - (1 - eta h_c)^tau) / (h_c - h_j).
    With P_r = (1/m) D_r X X' D_r the kernel of one neuron and D_r its pattern, masks give

        E |.|^2 = (p - 1) / p^4 sum_r |(G * P_r) C^(1/2)|^2,  row by row.

    Parameters
    ----------
    model : LazyModel
    n_subnetworks : int
        p.
    step_size : float
        eta.
    local_steps : int
        tau.

    Returns
    -------
    ndarray, shape (n,)
    """
    p, tau = n_subnetworks, local_steps
    if p == 1:
        return np.zeros_like(model.eigenvalues)
    V = model.eigenvectors
    h = model.eigenvalues / p
    q = 1 - step_size * h
    # G by its sum, which has no difference of near equal numbers
    G = step_size * sum(np.outer(q**t, q ** (tau - 1 - t)) for t in range(tau))
    root = matrix_root(V.T @ model.activations @ V)
    gram = model.X @ model.X.T
    squares = np.zeros_like(h)
    for active in model.patterns.T:
        masked = V[active]  # the rows on which the neuron is active
        kernel = masked.T @ gram[np.ix_(active, active)] @ masked  # m P_r in the eigenvectors
        squares += np.sum(((G * kernel) @ root) ** 2, axis=1)
    return (p - 1) / p**4 * squares / (model.patterns.shape[1] * model.width)


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
