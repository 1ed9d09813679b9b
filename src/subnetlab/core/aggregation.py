"""How the subnetworks' updates become one network again (Algorithm 1, lines 9 to 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from .arrays import BoolArray, FloatArray, IntArray

Unselected: TypeAlias = Literal["keep", "zero"]
UNSELECTED: tuple[Unselected, ...] = ("keep", "zero")


def selection_counts(masks: BoolArray) -> IntArray:
    """Return X_r = sum_l m^l_r, the number of subnetworks that hold each neuron.

    Parameters
    ----------
    masks : ndarray of bool, shape (p, ...)

    Returns
    -------
    ndarray of int, shape (...)
    """
    return masks.sum(axis=0)


def aggregation_step(masks: BoolArray) -> FloatArray:
    """Return eta_{k,r} = Nperp_r / N_r with N_r = max(X_r, 1) and Nperp_r = min(X_r, 1).

    It is 1 / X_r for a neuron that somebody holds and 0 for one that nobody holds.

    Parameters
    ----------
    masks : ndarray of bool, shape (p, ...)

    Returns
    -------
    ndarray, shape (...)

    Examples
    --------
    >>> aggregation_step(np.array([[True, True, False], [False, True, False]]))
    array([1. , 0.5, 0. ])
    """
    X = selection_counts(masks)
    N = np.maximum(X, 1)
    N_perp = np.minimum(X, 1)
    return N_perp / N


def aggregate(
    weights: FloatArray, updates: FloatArray, masks: BoolArray, unselected: Unselected = "keep"
) -> FloatArray:
    """Return W_{k+1}, row r being w_{k,r} + eta_{k,r} sum_l Delta^l_r; in general entry by entry, by its holders.

    The sum runs in the order l = 0, ..., p - 1, in every engine.

    Parameters
    ----------
    weights : ndarray, shape (m, d)
        W_k; or learned output weights, shape (m,) or (m, o), which aggregate by the same rule.
    updates : ndarray, shape (p, m, d)
        Delta^l = W^l_tau - W_k, zero where the mask is.
    masks : ndarray of bool, shape (p, m)
        Which subnetworks hold each row. Networks with several groups give one dimension for each of ``weights``, of
        its length or 1 (`subnetlab.core.units.Units.holders`): then a mean is taken over the holders of each entry.
    unselected : {"keep", "zero"}
        What becomes of a neuron that nobody holds. "keep" is the paper: its bits stay as they are. "zero"
        is what the authors' released code does: the neuron is erased. Under Bernoulli masks a neuron meets
        that fate with probability (1 - xi)^p in every round and comes back only if it is selected with
        z = 0 counted as active, so for small p xi most of the network is gone within a few rounds.

    Returns
    -------
    ndarray, shape (m, d), or that of ``weights``
    """
    total = np.zeros_like(weights)
    for update in updates:
        total += update
    held = masks.reshape(*masks.shape, *[1] * (weights.ndim + 1 - masks.ndim))  # trailing dimensions are held by all
    eta = aggregation_step(held).astype(weights.dtype)
    nobody = selection_counts(held) == 0
    return np.where(nobody, weights if unselected == "keep" else weights.dtype.type(0), weights + eta * total)
