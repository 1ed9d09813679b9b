"""The linearized prediction for runs of any length: what neurons contribute wears off, and the noise with it.

With frozen patterns neuron r contributes g_r = R_r x_r to the outputs, R_r = D_r X / sqrt(m) with its pattern D_r and
x_r = a_r w_r. As it is in every subnetwork that moves it, it is pushed by the error and by its own contribution, which
is Lemma 2's penalty. With the mean error e = E u - y, P_r = R_r R_r', S and C = sum_r E g_r g_r', the means
mu_r = E g_r and second moments M_r = E g_r g_r' obey, per round and to leading order in 1/m,

    e   <- e - xi theta sum_r P_r S (e + (1 - xi) mu_r),
    mu_r <- mu_r - theta P_r S (e + (1 - xi) mu_r),
    M_r <- M_r - theta ((1 - xi) P_r S M_r + P_r S e mu_r' + transpose) + own xi (1 - xi) P_r S C S P_r.

P_r is of order 1/m, so C falls within some m / (eta lambda) rounds, and with it all noise. Here M_r = R_r W_r R_r',
and in the eigenvectors of B_r = R_r' S R_r every entry of W_r has a rate of its own: steps of many rounds cost what one
costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .round_map import geometric_sum

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray
    from .lazy import LazyModel
    from .round_map import RoundMap

_ROOM = 2**26  # of n^3 numbers per neuron: how many neurons are kept
_FEWEST, _MOST = 48, 1024
_ENOUGH = 1e-7  # relative change at which the limit is found
_TIRED = 2000  # iterations for it


@dataclass(frozen=True, eq=False)
class Limit:
    """What is left after ever more rounds: the mean error, and C."""

    error: FloatArray
    activations: FloatArray


class SlowNeurons:
    """Sampled neurons in slow time; they start as in the initial network.

    Parameters
    ----------
    model : LazyModel
    round_map : RoundMap
    pull : ndarray, shape (n, n), optional
        S; None takes that of local training on all rows.
    """

    def __init__(self, model: LazyModel, round_map: RoundMap, pull: FloatArray | None = None) -> None:
        n = len(model.X)
        count = int(min(model.neurons.shape[1], max(_FEWEST, min(_MOST, _ROOM // n**3))))
        z = model.neurons[:, :count]
        self._map = round_map
        self._theta_rest = round_map.coverage * (1 - round_map.selection_prob)
        self._weight = model.width / count
        V = model.eigenvectors
        whole = (V * round_map.pull(round_map.selection_prob * model.eigenvalues)) @ V.T
        self._pull = whole if pull is None else pull  # S
        left, size, _ = np.linalg.svd(model.X, full_matrices=False)
        span = size > size[0] * n * np.finfo(float).eps
        basis = left[:, span] * size[span]  # X in coordinates of its row space, n x rank
        R = (z >= 0).T[:, :, np.newaxis] * basis / np.sqrt(model.width)
        R = _to_the_kernel(R, (V * model.eigenvalues) @ V.T / self._weight)
        rates, turn = np.linalg.eigh(R.transpose(0, 2, 1) @ self._pull @ R)
        self._R = R @ turn  # (neurons, n, rank), in the eigenvectors of B_r
        self._rates = rates
        self._to_force = self._R.transpose(0, 2, 1) @ self._pull  # R_r' S
        self._weights = (turn.transpose(0, 2, 1) @ (np.linalg.pinv(basis) @ z).T[:, :, np.newaxis])[:, :, 0]
        self._signs = output_signs(np.maximum(z, 0).T / np.sqrt(model.width), model.signs[:count], model.output, V)
        self._answer = np.zeros_like(self._weights)  # what the mean error has made of x_r
        self._moment = self._weights[:, :, np.newaxis] * self._weights[:, np.newaxis, :]
        self._missing = model.activations - self._sum(self._moment)
        self._first = float(np.trace(self._sum(self._moment)))

    def activations(self) -> FloatArray:
        """Return C; what the sample misses of it at the start shrinks as the rest does."""
        found = self._sum(self._moment)
        return found + self._missing * float(np.trace(found)) / self._first

    def answer_to(self, rounds: int) -> tuple[FloatArray, FloatArray]:
        """Return u_0 and B, so that E u is u_0 - B e after some rounds in which the mean error is e on average."""
        kept = 1 - self._theta_rest * self._rates
        x = self._signs[:, np.newaxis] * self._weights + self._weight * self._answer
        output = np.einsum("rni,ri->n", self._R, kept**rounds * x)
        pushed = self._R * geometric_sum(kept, rounds)[:, np.newaxis, :]
        R, S = (flat.transpose(1, 0, 2).reshape(len(output), -1) for flat in (self._R, pushed))
        B = self._map.coverage * self._weight * (S @ R.T) @ self._pull
        return self._map.selection_prob * output, self._map.selection_prob * B

    def advance(self, error: FloatArray, C: FloatArray, rounds: int, own: FloatArray | None = None) -> None:
        """Go on by some rounds, in which the mean error is ``error`` on average and C stays.

        Parameters
        ----------
        error : ndarray, shape (n,)
        C : ndarray, shape (n, n)
        rounds : int
        own : ndarray, shape (n, n), optional
            Covariance of what moves a neuron alone in a round; None takes that of local training on all rows.
        """
        theta, rest = self._map.coverage, self._theta_rest
        kept = 1 - rest * self._rates
        push = theta * (self._to_force @ error)
        source = -push[:, :, np.newaxis] * self._answer[:, np.newaxis, :]
        source = source + source.transpose(0, 2, 1) + (self._noise(C) if own is None else self._moved(own))
        both = 1 - rest * (self._rates[:, :, np.newaxis] + self._rates[:, np.newaxis, :])
        self._moment = both**rounds * self._moment + geometric_sum(both, rounds) * source
        self._weights = kept**rounds * self._weights
        self._answer = kept**rounds * self._answer - geometric_sum(kept, rounds) * push

    def limit(self, targets: FloatArray) -> Limit | None:
        """Return where e and C end, or None where C does not settle: steps too large for the mean square.

        Parameters
        ----------
        targets : ndarray, shape (n,)
            y.
        """
        end = self.settled_mean(targets)
        wears = self._wears()
        C = added = end.activations
        for _ in range(_TIRED):  # C = left + Phi(C), a sum of powers of Phi
            added = self._sum(wears * self._noise(added))
            C = C + added
            if np.trace(added) <= _ENOUGH * np.trace(C):
                return Limit(end.error, C)
            if not np.isfinite(np.trace(C)):
                break
        return None

    def settled_mean(self, targets: FloatArray) -> Limit:
        """Return the limit without noise: where the error and what neurons contribute themselves balance."""
        xi, inverse = self._map.selection_prob, _inverse(self._rates)
        spans = np.einsum("rni,ri,rim->nm", self._R, inverse, self._to_force) * self._weight
        error = np.linalg.solve(np.eye(len(targets)) + xi / (1 - xi) * spans, -targets)
        answer = -inverse * (self._to_force @ error) / (1 - xi)
        return Limit(error, self._sum(answer[:, :, np.newaxis] * answer[:, np.newaxis, :]))

    def kept_up(self, own: FloatArray) -> FloatArray:
        """Return the part of C that noise of this covariance keeps up in the long run."""
        return self._sum(self._wears() * self._moved(own))

    def growth(self) -> float:
        """Return the spectral radius of Phi, below 1 where the penalty wears off more of C than noise brings."""
        wears = self._wears()
        C, radius = np.eye(self._R.shape[1]), 0.0
        for _ in range(_TIRED):
            C = self._sum(wears * self._noise(C))
            before, radius = radius, float(np.trace(C))
            if radius == 0 or abs(radius - before) <= _ENOUGH * radius:
                break
            C = C / radius
        return radius

    def _wears(self) -> FloatArray:
        return _inverse(self._theta_rest * (self._rates[:, :, np.newaxis] + self._rates[:, np.newaxis, :]))

    def _noise(self, C: FloatArray) -> FloatArray:
        scale = self._map.own * self._map.mask_variance
        return scale * (self._to_force @ C @ self._to_force.transpose(0, 2, 1))

    def _moved(self, own: FloatArray) -> FloatArray:
        return self._R.transpose(0, 2, 1) @ own @ self._R

    def _sum(self, moment: FloatArray) -> FloatArray:
        """Return sum_r R_r W_r R_r', for all m neurons."""
        R = self._R
        flat = (R @ moment).transpose(1, 0, 2).reshape(R.shape[1], -1)
        return self._weight * (flat @ R.transpose(1, 0, 2).reshape(R.shape[1], -1).T)


def output_signs(contributions: FloatArray, signs: FloatArray, output: FloatArray | None, V: FloatArray) -> FloatArray:
    """Return weights b_r near the signs with sum_r b_r s_r / sqrt m = u_0, so that a sample stands for all neurons.

    Zero for an average over initial networks, whose outputs have mean 0.

    Parameters
    ----------
    contributions : ndarray, shape (k, n)
        s_r / sqrt m.
    signs : ndarray, shape (k,)
    output : ndarray, shape (n,), or None
        u_0 for xi = 1 in the eigenvectors V.
    V : ndarray, shape (n, n)
    """
    if output is None:
        return np.zeros(len(contributions))
    missing = V @ output - signs @ contributions
    return signs + np.linalg.lstsq(contributions.T, missing, rcond=1e-6)[0]


def _to_the_kernel(R: FloatArray, kernel: FloatArray) -> FloatArray:
    """Return Q R_r with sum_r Q R_r R_r' Q' = the kernel: otherwise the sample would not answer as all neurons do."""
    flat = R.transpose(1, 0, 2).reshape(R.shape[1], -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    kept = values > values[-1] * len(values) * np.finfo(float).eps
    found = vectors[:, kept] / np.sqrt(values[kept])
    wanted, axes = np.linalg.eigh(kernel)
    root = (axes * np.sqrt(np.maximum(wanted, 0))) @ axes.T
    # the root of the kernel nearest to the sample's own: Q = root T root_of_sample^(-1) with an orthogonal T
    left, _, right = np.linalg.svd(root @ (vectors[:, kept] * np.sqrt(values[kept])))
    turn = left[:, : right.shape[0]] @ right
    return root @ turn @ found.T @ R


def _inverse(values: FloatArray) -> FloatArray:
    """Return 1 / values, and 0 where a value is zero up to rounding."""
    real: BoolArray = np.abs(values) > 1e-12 * np.abs(values).max(initial=1e-300)
    return np.divide(1.0, values, out=np.zeros_like(values), where=real)
