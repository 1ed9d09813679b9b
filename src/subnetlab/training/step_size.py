"""From "auto" and "theory" to a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.inputs import has_unit_rows
from ..core.losses import LOSSES
from ..core.network import activations
from ..kernels.eigenvalues import largest_eigenvalue, smallest_eigenvalue
from ..kernels.finite import largest_ntk_eigenvalue, largest_outputs_ntk_eigenvalue
from ..kernels.infinite import infinite_ntk
from ..theory.moments import mask_moments
from ..theory.setting import beyond_the_paper, step_size_limit

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.losses import LossName
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme
    from .request import TrainingData

_SAMPLED_ROWS = 512  # from which lambda_max is estimated for minibatches
_LANCZOS_MARGIN = 1.002  # twice the tolerance of an eigenvalue by Lanczos iteration


def resolve_step_size(
    network: ShallowReLU,
    data: TrainingData,
    scheme: TrainingScheme,
    loss: LossName = "squared",
    *,
    learn_output_weights: bool = False,
) -> float:
    """Return eta as a number.

    "auto" is half of 2 / lambda_max, the largest step that is stable for frozen activation patterns. lambda_max
    is that of the finite NTK at initialisation, (1/m) <x_i, x_j> sum_r 1{..} 1{..}, times the share of the
    neurons that the largest subnetwork is expected to hold and times the loss's largest second derivative. Sample
    weights scale the rows of X by their roots; output weights other than -1 and +1 bound lambda_max by the factor
    max_r |a_r|^2, several outputs have a kernel of their own (`largest_outputs_ntk_eigenvalue`), and learned output
    weights add the kernel (1/m) sum_r relu(<w_r, x_i>) relu(<w_r, x_j>). Minibatches add their noise, see
    `_minibatch_noise`. "theory" is `step_size_limit`.

    Raises
    ------
    ValueError
        For "theory", if lambda_0 is zero up to rounding, so that no step size is covered, or if the loss is not
        squared, the signs are learned, rows have another norm than 1, or masks or scheme are others than the
        paper's, which it does not cover. For "auto", if lambda_max is zero: no neuron is active on any row, and no
        step changes anything. Also if its inverse overflows.
    """
    if not isinstance(scheme.step_size, str):
        return float(scheme.step_size)
    if scheme.step_size == "auto":
        share = scheme.masks.largest_share(network.width)
        s = data.sample_weight
        X = data.X if s is None else np.sqrt(s)[:, np.newaxis] * data.X
        largest = _largest_eigenvalue(network, X, scheme.batch_size, learn_output_weights)
        if largest == 0:
            raise ValueError("train: step_size='auto' needs lambda_max > 0, got 0: no neuron is active on any row of X")
        with np.errstate(over="ignore"):
            step_size = float(1.0 / np.float64(share * LOSSES[loss].curvature * largest))
        if np.isinf(step_size):
            raise ValueError(
                f"train: step_size='auto' must be finite, got 1 / lambda_max at lambda_max = {largest:.3g}: rows of X "
                "or sample weights are too small"
            )
        return step_size
    if loss != "squared" or learn_output_weights:
        raise ValueError("train: step_size='theory' covers the squared loss and fixed signs only")
    if not has_unit_rows(data.X):
        raise ValueError("train: step_size='theory' needs rows of norm 1: divide each row of X by its norm")
    if beyond := beyond_the_paper(scheme):
        raise ValueError(f"train: step_size='theory' does not cover {', '.join(beyond)}")
    mask_moments(scheme.masks)  # refuses laws that no theorem covers
    H = infinite_ntk(data.X, scheme.masks.selection_prob)
    lambda_0 = smallest_eigenvalue(H)
    if lambda_0 <= len(H) * np.finfo(float).eps * np.trace(H):  # no more than rounding
        raise ValueError(f"train: step_size='theory' needs lambda_0 > 0, got {lambda_0:.3g}: are rows of X parallel?")
    return step_size_limit(lambda_0, len(data.X), scheme.masks, scheme.local_steps)


def _largest_eigenvalue(
    network: ShallowReLU, X: FloatArray, batch_size: int | None, learn_output_weights: bool
) -> float:
    """Return a bound of lambda_max for the whole network; for minibatches an estimate, and their noise on top.

    The estimate takes evenly spaced rows, whose lambda_max is on average too large rather than too small.
    """
    n = len(X)
    rows = X if batch_size is None else X[:: -(-n // _SAMPLED_ROWS)]
    a = network.output_weights.reshape(network.width, -1)
    if a.shape[1] == 1:
        largest = float(np.max(a**2)) * largest_ntk_eigenvalue(network, rows)
    else:
        largest = _LANCZOS_MARGIN * largest_outputs_ntk_eigenvalue(network, rows)
    if learn_output_weights:
        features = activations(rows, network.weights) / np.sqrt(network.width)
        narrow = features if features.shape[0] >= features.shape[1] else features.T
        largest += largest_eigenvalue(narrow.T @ narrow)
    if batch_size is None:
        return largest
    slope = largest_eigenvalue(a.T @ a) / network.width
    if learn_output_weights:
        slope += float(np.mean(network.weights**2))
    return n / len(rows) * largest + _minibatch_noise(X, batch_size, slope)


def _minibatch_noise(X: FloatArray, batch_size: int, slope: float) -> float:
    """Return what minibatches add to lambda_max.

    With H_b the scaled kernel of b rows drawn without replacement, E[H_b^2] <= H^2 + c max_i K_ii H for
    c = (n / b) (n - b) / (n - 1), so steps below 2 / (lambda_max + c max_i K_ii) are stable in mean square. K_ii is
    |x_i|^2 / 2 on average over random weights, times ``slope``, the mean of a_r a_r' over the neurons.
    """
    n = len(X)
    if batch_size >= n:
        return 0.0
    c = n / batch_size * (n - batch_size) / (n - 1)
    return c * slope * 0.5 * float(np.max(np.einsum("ij,ij->i", X, X)))
