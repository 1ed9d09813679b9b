"""The linearized prediction for runs of any length: what neurons contribute wears off, and the noise with it.

With frozen patterns neuron r contributes g_r = R_r x_r to the outputs, R_r = D_r X / sqrt(m) with its pattern D_r and
x_r = a_r w_r. As it is in every subnetwork that moves it, it is pushed by the error and by its own contribution, which
is Lemma 2's penalty. With the mean error e = E u - y, P_r = R_r R_r', S, C = sum_r E g_r g_r', the means mu_r = E g_r,
second moments M_r = E g_r g_r' and the covariance F of u obey, per round and to leading order in 1/m,

    w    = S e + b,   b = E dS^l d^l = xi (1 - xi) sum_r T_r mu_r,
    e    <- e - xi theta sum_r P_r (w + (1 - xi) S mu_r),
    mu_r <- mu_r - theta P_r (w + (1 - xi) S mu_r),
    M_r  <- M_r - theta ((1 - xi) P_r S M_r + P_r w mu_r' + transpose)
                + P_r S (own xi (1 - xi) C + theta (1 - theta) F) S P_r,

where T_r is the change of S with the kernel P_r: with several local steps a subnetwork of more active neurons also
learns faster. F has settled long before C changes. P_r is of order 1/m, so C falls within some m / (eta lambda)
rounds, and with it all noise. Here M_r = R_r W_r R_r', and in the eigenvectors of B_r = R_r' S R_r every entry of W_r
has a rate of its own: steps of many rounds cost what one costs.
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
_AT_ONCE = 2**22  # numbers


@dataclass(frozen=True, eq=False)
class Limit:
    """What is left after ever more rounds: the mean error, C, and the means of x_r."""

    error: FloatArray
    activations: FloatArray
    means: FloatArray


class SlowNeurons:
    """Sampled neurons in slow time; they start as in the initial network.

    Parameters
    ----------
    model : LazyModel
    round_map : RoundMap
    pull : ndarray, shape (n, n), optional
        S; None takes that of local training on all rows. Of another one, b and the part of F are left out.
    """

    def __init__(self, model: LazyModel, round_map: RoundMap, pull: FloatArray | None = None) -> None:
        n = len(model.X)
        count = int(min(model.neurons.shape[1], max(_FEWEST, min(_MOST, _ROOM // n**3))))
        z = model.neurons[:, :count]
        self._map = round_map
        self._theta_rest = round_map.coverage * (1 - round_map.selection_prob)
        self._weight = model.width / count
        self._V = V = model.eigenvectors
        self._h = round_map.selection_prob * model.eigenvalues
        self._pull = (V * round_map.pull(self._h)) @ V.T if pull is None else pull  # S
        left, size, _ = np.linalg.svd(model.X, full_matrices=False)
        span = size > size[0] * n * np.finfo(float).eps
        basis = left[:, span] * size[span]  # X in coordinates of its row space, n x rank
        R = (z >= 0).T[:, :, np.newaxis] * basis / np.sqrt(model.width)
        R = _to_the_kernel(R, (V * model.eigenvalues) @ V.T / self._weight)
        rates, turn = np.linalg.eigh(R.transpose(0, 2, 1) @ self._pull @ R)
        self._R = R @ turn  # (neurons, n, rank), in the eigenvectors of B_r
        self._rates = rates
        self._to_force = self._R.transpose(0, 2, 1) @ self._pull  # R_r' S
        self._turned = self._with_changes() if pull is None and round_map.local_steps > 1 else None
        self._weights = (turn.transpose(0, 2, 1) @ (np.linalg.pinv(basis) @ z).T[:, :, np.newaxis])[:, :, 0]
        self._signs = output_signs(np.maximum(z, 0).T / np.sqrt(model.width), model.signs[:count], model.output, V)
        self._answer = np.zeros_like(self._weights)  # what the mean error has made of x_r
        self._moment = self._weights[:, :, np.newaxis] * self._weights[:, np.newaxis, :]
        self._first = float(np.trace(model.activations))
        # as large as C: what wears off and what noise brings may nearly balance, where a share of it would tell
        self._moment *= self._first / float(np.trace(self._sum(self._moment)))
        self._missing = model.activations - self._sum(self._moment)

    def activations(self) -> FloatArray:
        """Return C; what the sample misses of it at the start shrinks as the rest does."""
        found = self._sum(self._moment)
        return found + self._missing * float(np.trace(found)) / self._first

    def answer_to(self, rounds: int) -> tuple[FloatArray, FloatArray]:
        """Return u_0 and B, so that E u is u_0 - B e after some rounds in which the mean error is e on average."""
        output, B = self._reach(self._R, rounds)
        output, B = self._map.selection_prob * output, self._map.selection_prob * B
        free, turn = self._force(rounds)
        return output - B @ free, B @ turn @ self._pull

    def _reach(self, R: FloatArray, rounds: int) -> tuple[FloatArray, FloatArray]:
        """Return a and B, so that sum_r R_r x_r is a - B w after some rounds in which w pushes."""
        kept = 1 - self._theta_rest * self._rates
        here = np.einsum("rni,ri->n", R, kept**rounds * self._means())
        pushed = R * geometric_sum(kept, rounds)[:, np.newaxis, :]
        left, right = (flat.transpose(1, 0, 2).reshape(len(here), -1) for flat in (pushed, self._R))
        return here, self._map.coverage * self._weight * (left @ right.T)

    def _force(self, rounds: int) -> tuple[FloatArray, FloatArray]:
        """Return a and A, so that w = a + A S e in some rounds, with b as it is at their end: w = S e + b(w)."""
        n = len(self._pull)
        if self._turned is None:
            return np.zeros(n), np.eye(n)
        b, B = (self._map.mask_variance * part for part in self._reach(self._turned, rounds))
        A = np.linalg.inv(np.eye(n) + B)
        return A @ b, A

    def _means(self) -> FloatArray:
        """Return the means of x_r, of a sample that stands for all neurons."""
        return self._signs[:, np.newaxis] * self._weights + self._weight * self._answer

    def _with_changes(self) -> FloatArray:
        """Return T_r R_r."""
        in_V, turned = self._V.T @ self._R, np.empty_like(self._R)
        differences = self._map.pull_differences(self._h)
        some = max(1, _AT_ONCE // len(differences) ** 2)  # neurons: all n x n matrices would take much memory
        for start in range(0, len(in_V), some):
            r = slice(start, start + some)
            turned[r] = self._V @ ((differences * (in_V[r] @ in_V[r].transpose(0, 2, 1))) @ in_V[r])
        return turned

    def exchange(self, means: FloatArray | None = None) -> FloatArray:
        """Return the variance that a round of categorical masks adds to `ProductNoise` in each eigenvector of H.

        It is ``own`` xi^3 (1 - xi) times the diagonal of sum_rs (W_r mu_s) (W_s mu_r)' with W_r = P_r S + H T_r: masks
        multiply W_r g_s and W_s g_r by the same number, which counts where the means of neurons agree in sign, as they
        do in the end. Zeros for other masks, whose noise is larger than that of products.

        Parameters
        ----------
        means : ndarray, shape (neurons, rank), optional
            Of x_r, from `limit`; None takes the present ones.
        """
        numbers, in_V = self._map, self._V.T @ self._R
        found = np.zeros(len(self._h))
        if numbers.shared:
            return found
        factor = numbers.pull(self._h) + self._h[:, np.newaxis] * numbers.pull_differences(self._h)
        mu = np.einsum("rni,ri->rn", in_V, self._means() if means is None else means)
        for j in range(len(found)):
            W = factor[j] * (in_V @ in_V[:, j, :, np.newaxis])[:, :, 0]  # row j of every W_r
            Q = W.T @ mu
            found[j] = np.sum(Q * Q.T)
        return numbers.selection_prob**2 * numbers.own * numbers.mask_variance * found

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
        free, turn = self._force(rounds)
        push = theta * (self._R.transpose(0, 2, 1) @ (free + turn @ self._pull @ error))
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
                return Limit(end.error, C, end.means)
            if not np.isfinite(np.trace(C)):
                break
        return None

    def settled_mean(self, targets: FloatArray) -> Limit:
        """Return the limit without noise: where the error and what neurons contribute themselves balance.

        P_r (w + (1 - xi) S mu_r) = 0 gives mu_r = -R_r B_r^+ R_r' w / (1 - xi), and w = S e + b is an equation for w.
        """
        xi, S = self._map.selection_prob, self._pull
        to_answer = _inverse(self._rates)[:, :, np.newaxis] * self._R.transpose(0, 2, 1)  # B_r^+ R_r'
        spans = self._weight * np.einsum("rni,rim->nm", self._R, to_answer)
        changes = 0.0 if self._turned is None else self._weight * np.einsum("rni,rim->nm", self._turned, to_answer)
        w = np.linalg.solve(np.eye(len(S)) + xi / (1 - xi) * (S @ spans) + xi * changes, -S @ targets)
        answer = -(to_answer @ w) / (1 - xi)
        C = self._sum(answer[:, :, np.newaxis] * answer[:, np.newaxis, :])
        return Limit(-targets - xi / (1 - xi) * (spans @ w), C, self._weight * answer)

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
        return self._to_force @ self._own(C) @ self._to_force.transpose(0, 2, 1)

    def _own(self, C: FloatArray) -> FloatArray:
        """Return the covariance of what pushes a neuron alone: own xi (1 - xi) C + theta (1 - theta) F.

        All neurons share d, of covariance N = shared xi (1 - xi) C, and later rounds take it back from those alone that
        they select. In the eigenvectors of H it has settled at F_ij = gain_i gain_j N_ij / (gain_i + gain_j - gain_i
        gain_j).
        """
        numbers, V = self._map, self._V
        gain, theta = numbers.gain(self._h), numbers.coverage
        both = gain[:, np.newaxis] * gain
        taken = gain[:, np.newaxis] + gain - both  # at most 0 where the mean error grows: nothing settles there
        settled = np.divide(both, taken, out=np.zeros_like(both), where=taken > 1e-12)
        F = V @ (settled * (V.T @ (numbers.shared * numbers.mask_variance * C) @ V)) @ V.T
        return numbers.own * numbers.mask_variance * C + theta * (1 - theta) * F

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
