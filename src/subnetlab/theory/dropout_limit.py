"""What dropout would predict for new rows if it trained for ever with its activation patterns fixed.

By Lemma 2 masks of Bernoulli law with one local step act as a penalty on what neurons pass on, not on weights:
E |y - f|^2 = |y - u|^2 + xi (1 - xi) sum_r |g_r|^2, where g_r = (a_r / sqrt m) D_r X w_r is what neuron r adds to the
outputs and D_r its pattern. Its minimum has (D_r X)' ((1 - xi) g_r - (y - u)) = 0 for each neuron, hence with the
projection Pi_r on the columns of D_r X

    g_r = Pi_r (y - u) / (1 - xi),    y - u = (I + xi / (1 - xi) sum_r Pi_r)^(-1) y,
    u(x) = xi / (1 - xi) sum_r 1{<w_r, x> >= 0} x' (D_r X)^+ (y - u),

^+ being the pseudo-inverse: gradients are combinations of the rows of D_r X, so what is orthogonal to them stays as it
was at the start. It is the limit for k >> m / (eta lambda), for every p and step size that converges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.inputs import check_features
from ..core.network import ShallowReLU
from ..surroundings import undisturbed
from .setting import one_output_data

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

_NUMBERS_AT_ONCE = 1 << 21


@dataclass(frozen=True, eq=False)
class DropoutLimit:
    """A linear map for each neuron, in force where the neuron is active.

    Parameters
    ----------
    gates : ndarray, shape (m, d)
        The weights at the start, which say where neurons are active.
    slopes : ndarray, shape (m, d)
        u(x) = sum_r 1{<gates_r, x> >= 0} <slopes_r, x>.
    error : ndarray, shape (n,)
        u - y on the rows that were given; of order 1/m.
    """

    gates: FloatArray
    slopes: FloatArray
    error: FloatArray

    def __repr__(self) -> str:
        return f"DropoutLimit(width={len(self.gates)}, |y - u|^2 = {np.sum(self.error**2):.4g})"

    def predict(self, X: FloatArray) -> FloatArray:
        """Return u(x) for every row of X, shape (n',).

        Raises
        ------
        TypeError, ValueError
            If X holds no finite numbers, or has another number of columns than the rows that were given.
        """
        X = check_features(X, owner="DropoutLimit", n_features=self.gates.shape[1])
        return np.sum((X @ self.gates.T >= 0) * (X @ self.slopes.T), axis=1)


@undisturbed(threads=1)
def dropout_limit(
    network: ShallowReLU, X: FloatArray, y: FloatArray, selection_prob: float, *, from_network: bool = True
) -> DropoutLimit:
    """Return where dropout, or multi-sample dropout, would end with the patterns of ``network``.

    Parameters
    ----------
    network : ShallowReLU
        The initial one; one output.
    X : ndarray, shape (n, d)
    y : ndarray, shape (n,)
    selection_prob : float
        xi, below 1: without masks there is no penalty.
    from_network : bool, default True
        Whether to keep what training cannot reach, the part of a neuron's weights that is orthogonal to all rows on
        which the neuron is active; False leaves it out, as the average over all signs does.

    Raises
    ------
    TypeError, ValueError
        If the arguments break their rules.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=300, n_features=2, seed=0)
    >>> limit = dropout_limit(net, np.eye(2), np.array([1.0, -1.0]), 0.5)
    >>> limit.predict(np.eye(2)).round(2)
    array([ 0.99, -0.99])
    """
    checks.instance("dropout_limit", "network", network, ShallowReLU)
    checks.flag("dropout_limit", "from_network", from_network)
    X, y = one_output_data("dropout_limit", X, y)
    xi = checks.probability("dropout_limit", "selection_prob", selection_prob)
    if xi == 1:
        raise ValueError("dropout_limit: selection_prob must be below 1, got 1: without masks there is no penalty")
    if network.output_weights.ndim != 1 or network.n_features != X.shape[1]:
        raise ValueError(f"dropout_limit: network must have one output and {X.shape[1]} features, got {network!r}")
    n, m = len(X), network.width
    W = network.weights.astype(np.float64)
    checks.memory("dropout_limit", "network", "pseudo-inverses", 8 * m * X.size)
    blocks = np.array_split(np.arange(m), -(-m * X.size // _NUMBERS_AT_ONCE))
    projections = np.zeros((n, n))
    inverses = np.empty((m, X.shape[1], n))  # (D_r X)^+
    for block in blocks:
        masked = (W[block] @ X.T >= 0)[:, :, np.newaxis] * X  # D_r X
        inverses[block] = np.linalg.pinv(masked)
        projections += np.einsum("rid,rdj->ij", masked, inverses[block], optimize=True)
    odds = xi / (1 - xi)
    left = np.linalg.solve(np.eye(n) + odds * projections, y)  # y - u
    slopes = odds * (inverses @ left)
    if from_network:
        for block in blocks:
            masked = (W[block] @ X.T >= 0)[:, :, np.newaxis] * X
            reached = np.einsum("rdi,ri->rd", inverses[block], np.einsum("rid,rd->ri", masked, W[block]))
            slopes[block] += (xi / np.sqrt(m)) * network.output_weights[block, np.newaxis] * (W[block] - reached)
    return DropoutLimit(W, slopes, -left)
