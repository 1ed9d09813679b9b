"""From "auto" and "theory" to a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..kernels.eigenvalues import smallest_eigenvalue
from ..kernels.finite import largest_ntk_eigenvalue
from ..kernels.infinite import infinite_ntk
from ..theory.step_size import step_size_limit

if TYPE_CHECKING:
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme
    from .run import TrainingData


def resolve_step_size(network: ShallowReLU, data: TrainingData, scheme: TrainingScheme) -> float:
    """Return eta as a number.

    "auto" is half of 2 / lambda_max, the largest step that is stable for frozen activation patterns. lambda_max
    is that of the finite NTK at initialisation, (1/m) <x_i, x_j> sum_r 1{..} 1{..}, times the share of the
    neurons that the largest subnetwork is expected to hold. Sample weights scale the rows of X by their roots; output
    weights other than the paper's signs bound lambda_max by the factor max_r |a_r|^2. "theory" is `step_size_limit`.

    Raises
    ------
    ValueError
        For "theory", if lambda_0 is zero up to rounding, so that no step size is covered.
    """
    if not isinstance(scheme.step_size, str):
        return float(scheme.step_size)
    if scheme.step_size == "auto":
        share = scheme.masks.largest_share(network.width)
        s = data.sample_weight
        X = data.X if s is None else np.sqrt(s)[:, np.newaxis] * data.X
        a = network.signs.reshape(network.width, -1)
        largest_sign = float(np.max(np.sum(a**2, axis=1)))  # max_r |a_r|^2
        return 1.0 / (share * largest_sign * largest_ntk_eigenvalue(network, X))
    H = infinite_ntk(data.X, scheme.masks.selection_prob)
    lambda_0 = smallest_eigenvalue(H)
    if lambda_0 <= len(H) * np.finfo(float).eps * np.trace(H):  # no more than rounding
        raise ValueError(f"train: step_size='theory' needs lambda_0 > 0, got {lambda_0:.3g}: are rows of X parallel?")
    return step_size_limit(lambda_0, len(data.X), scheme.masks, scheme.local_steps)
