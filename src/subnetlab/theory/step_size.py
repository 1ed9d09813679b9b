"""The largest step size for which the paper proves convergence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.masks.law import partitions

if TYPE_CHECKING:
    from ..core.masks import MaskLaw


def step_size_limit(lambda_0: float, n_samples: int, masks: MaskLaw, local_steps: int) -> float:
    """Return the theorem's limit of eta.

    Bernoulli and other independent masks (Theorem 3): the least of lambda_0 / (4 n^2) (Hypothesis 1),
    lambda_0 / (16 (tau - 1) n^2) (Lemma 6, no limit at tau = 1) and lambda_0 / (48 n tau max{n, p}) (Lemma 10).
    Categorical masks (Theorem 4): lambda_0 / (4 n^2).

    Parameters
    ----------
    lambda_0 : float
        The smallest eigenvalue of the infinite NTK, including the factor xi.
    n_samples : int
        n.
    masks : MaskLaw
    local_steps : int
        tau.
    """
    n, p, tau = n_samples, masks.n_subnetworks, local_steps
    limits = [lambda_0 / (4 * n**2)]
    if not partitions(masks):
        limits.append(lambda_0 / (48 * n * tau * max(n, p)))
        if tau > 1:
            limits.append(lambda_0 / (16 * (tau - 1) * n**2))
    return min(limits)
