"""The neural tangent kernels of masked subnetworks (Definition 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.inputs import check_features
from ..surroundings import undisturbed

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray
    from ..core.network import ShallowReLU


@undisturbed()
def masked_ntk(network: ShallowReLU, X: FloatArray, mask: BoolArray) -> FloatArray:
    """Return K^l_ij = (1 / m) <x_i, x_j> sum_r m^l_r 1{<w_r, x_i> >= 0} 1{<w_r, x_j> >= 0}.

    The patterns are packed once for all subnetworks. While none of them changes, the subnetwork's error vector obeys
    r_{t+1} = (I - eta K^l) r_t exactly.

    Parameters
    ----------
    network : ShallowReLU
    X : ndarray, shape (n, d)
    mask : ndarray of bool, shape (m,) or (p, m)
        One subnetwork, or all.

    Returns
    -------
    ndarray, shape (n, n) or (p, n, n)

    Raises
    ------
    TypeError, ValueError
        If X or the mask does not fit the network.

    Examples
    --------
    >>> from subnetlab import ShallowReLU
    >>> net = ShallowReLU(np.array([[1.0, 0.0], [-1.0, 1.0]]), np.ones(2))
    >>> masked_ntk(net, np.eye(2), np.array([True, False]))
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    from ..compiled.patterns import network_patterns, pack_mask, pair_counts

    X = check_features(X, owner="masked_ntk", n_features=network.n_features)
    masks = np.asarray(mask)
    if masks.dtype != bool or masks.ndim not in (1, 2) or masks.shape[-1] != network.width or 0 in masks.shape:
        raise ValueError(
            f"masked_ntk: mask must be bool of shape ({network.width},) or (p, {network.width}), "
            f"got {masks.dtype} {masks.shape}"
        )
    words = network_patterns(network.weights, X)
    scale = (X @ X.T) / network.width
    if masks.ndim == 1:
        return scale * pair_counts(words, pack_mask(masks))
    kernels = np.empty((len(masks), len(X), len(X)))
    for kernel, mask_words in zip(kernels, pack_mask(masks), strict=True):
        np.multiply(scale, pair_counts(words, mask_words), out=kernel)
    return kernels
