"""Infinite-width kernels of deeper ReLU networks, all layers trained: a stepping stone to multi-layer networks."""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.inputs import check_features
from ..surroundings import undisturbed

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

_SMALL_ANGLE = 0.5
_SERIES_TERMS = 9  # the first one left out is below 2**-53 of the first at the small angle


@undisturbed()
def deep_infinite_ntk(X: FloatArray, n_hidden: int) -> FloatArray:
    """Return the neural tangent kernel of an infinitely wide ReLU network with ``n_hidden`` hidden layers.

    Every layer is sqrt(2 / width) W relu(.) with W ~ N(0, 1) and is trained (Jacot et al., 2018, in the scaling of
    He et al.), the first is W x. With the angle phi_h of two rows after h hidden layers,

        covariance  S_0 = <x, x'>,    S_h = |x| |x'| cos phi_h,
        1 - cos phi_{h+1} = (pi (1 - cos phi_h) - (sin phi_h - phi_h cos phi_h)) / pi,
        kernel      T_0 = S_0,        T_{h+1} = T_h (pi - phi_h) / pi + S_{h+1}.

    Of the shallow network of the paper, whose scaling has no factor 2 and whose output layer is fixed, the kernel is
    half of the first term of T_1: H_inf = xi T_0 (pi - phi_0) / (2 pi).

    Parameters
    ----------
    X : ndarray, shape (n, d)
        No row may be zero.
    n_hidden : int
        At least 0; 0 is the linear kernel.

    Returns
    -------
    ndarray, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If X is no matrix of finite real numbers or has a row of zeros, or ``n_hidden`` is no such number.

    Examples
    --------
    >>> deep_infinite_ntk(np.eye(2), 1).round(4)
    array([[2.    , 0.3183],
           [0.3183, 2.    ]])
    """
    from .angles import pair_angles

    checks.whole_number("deep_infinite_ntk", "n_hidden", n_hidden, least=0)
    X = check_features(X, owner="deep_infinite_ntk")
    lengths = np.linalg.norm(X, axis=1)
    scale = np.outer(lengths, lengths)
    angle = pair_angles(X)
    kernel = X @ X.T
    for _ in range(n_hidden):
        gain = (np.pi - angle) / np.pi
        angle = _next_angle(angle)
        kernel = kernel * gain + scale * np.cos(angle)
    return kernel


def _next_angle(angle: FloatArray) -> FloatArray:
    """Return the angle after one more layer; from 1 - cos, so that small angles keep their digits."""
    versine = 2 * np.sin(angle / 2) ** 2 - _sine_minus_product(angle) / np.pi  # 1 - cos of the new angle
    return 2 * np.arcsin(np.sqrt(np.clip(versine, 0, 2) / 2))


def _sine_minus_product(angle: FloatArray) -> FloatArray:
    """Sin x - x cos x = sum_k (-1)^(k+1) 2k x^(2k+1) / (2k+1)!, by the series where the difference cancels."""
    x = np.minimum(angle, _SMALL_ANGLE)
    terms = [(-1) ** (k + 1) * (2 * k / factorial(2 * k + 1)) * x ** (2 * k + 1) for k in range(1, _SERIES_TERMS)]
    return np.where(angle < _SMALL_ANGLE, sum(terms), np.sin(angle) - angle * np.cos(angle))
