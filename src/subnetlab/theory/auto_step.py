"""The step size "auto": half of the largest step that is stable while activation patterns stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.network import activations
from ..kernels.eigenvalues import largest_eigenvalue
from ..kernels.finite import largest_ntk_eigenvalue, largest_outputs_ntk_eigenvalue
from ..kernels.infinite import infinite_ntk

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme

_SAMPLED_ROWS = 512  # from which lambda_max is estimated for minibatches
_LANCZOS_MARGIN = 1.002  # twice the tolerance of an eigenvalue by Lanczos iteration


def auto_step_size(
    network: ShallowReLU | None,
    X: FloatArray,
    scheme: TrainingScheme,
    *,
    width: int | None = None,
    curvature: float = 1.0,
    learn_output_weights: bool = False,
    owner: str = "train",
) -> float:
    """Return 1 / (share curvature lambda_max), half of 2 / lambda_max.

    lambda_max is that of the finite NTK at initialisation, (1/m) <x_i, x_j> sum_r 1{..} 1{..}, or without a network of
    the infinite one with xi = 1; the share is that of the neurons which the largest subnetwork is expected to hold.
    Output weights other than -1 and +1 bound lambda_max by the factor max_r |a_r|^2, several outputs have a kernel of
    their own (`largest_outputs_ntk_eigenvalue`), and learned output weights add the kernel
    (1/m) sum_r relu(<w_r, x_i>) relu(<w_r, x_j>). Minibatches add their noise, see `minibatch_noise`.

    Parameters
    ----------
    network : ShallowReLU, optional
    X : ndarray, shape (n, d)
    scheme : TrainingScheme
    width : int, optional
        Without a network.
    curvature : float, default 1
        The loss's largest second derivative.
    learn_output_weights : bool, default False
    owner : str, default "train"
        Who asks, for messages.

    Raises
    ------
    ValueError
        If lambda_max is zero, as no neuron is active on any row, or its inverse overflows.
    """
    if network is None:
        largest = largest_eigenvalue(infinite_ntk(X))
        if scheme.batch_size is not None:
            largest += minibatch_noise(X, scheme.batch_size, 1.0)
    else:
        width = network.width
        largest = _largest_eigenvalue(network, X, scheme.batch_size, learn_output_weights)
    assert width is not None
    if largest == 0:
        raise ValueError(f"{owner}: step_size='auto' needs lambda_max > 0, got 0: no neuron is active on any row of X")
    with np.errstate(over="ignore"):
        step_size = float(1.0 / np.float64(scheme.masks.largest_share(width) * curvature * largest))
    if np.isinf(step_size):
        raise ValueError(
            f"{owner}: step_size='auto' must be finite, got 1 / lambda_max at lambda_max = {largest:.3g}: rows of X "
            "or sample weights are too small"
        )
    return step_size


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
    return n / len(rows) * largest + minibatch_noise(X, batch_size, slope)


def minibatch_noise(X: FloatArray, batch_size: int, slope: float) -> float:
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
