"""Predictions, not bounds: the expected error curve and floor in the lazy regime, without training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ..core import checks
from ..core.masks.law import partitions
from ..core.scheme import TrainingScheme
from ..plotting import plot
from ..surroundings import undisturbed
from .lazy import LazyModel
from .moments import mask_moments
from .moving_patterns import moving_mean_and_spread
from .neuron_noise import categorical_noise
from .setting import PAPER_SCHEME

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray

Patterns: TypeAlias = Literal["frozen", "moving"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Expected errors, over the masks only; sums over all rows, as `History` has them.

    Parameters
    ----------
    full_error : ndarray, shape (K + 1,)
        E |y - u_k|^2.
    sampled_error : ndarray, shape (K,)
        E |y - f^l|^2 right after sampling.
    local_error : ndarray, shape (K, tau)
        The same after each local step.
    mean_part, noise_part : ndarray, shape (K + 1,)
        full_error = |y - E u_k|^2 + E |u_k - E u_k|^2; averaged over initial networks, the first
        holds their spread.
    floor : float
        The limit of full_error for many rounds, in the lazy regime.
    patterns : {"frozen", "moving"}
        Whether activation patterns were taken to stay, or followed.
    """

    full_error: FloatArray
    sampled_error: FloatArray
    local_error: FloatArray
    mean_part: FloatArray
    noise_part: FloatArray
    floor: float
    patterns: Patterns

    def __repr__(self) -> str:
        error, steps = self.full_error, self.local_error.shape[1]
        return (
            f"Prediction(rounds={len(error) - 1}, local_steps={steps}, patterns={self.patterns!r}, full error "
            f"{error[0]:.4g} -> {error[-1]:.4g}, floor {self.floor:.4g})"
        )

    def plot(self, ax: Any = None, *, style: Any = "publication") -> Any:
        """Draw the expected errors, dashed, and their floor; ``prediction.plot(run.plot())`` has a run beside them.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if not given.
        style : {"publication"}, a style of matplotlib, or None
            The look of this package's figures, what ``matplotlib.style.context`` takes, or whatever is set.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ValueError
            If there is nothing to draw.

        Examples
        --------
        >>> import subnetlab as sl
        >>> model = sl.average_lazy_model(np.eye(3), np.ones(3), width=1000)
        >>> ax = sl.predict(model, sl.dropout(0.5, rounds=20), step_size=0.2).plot()
        >>> [line.get_label() for line in ax.lines][2:]
        ['whole network, predicted', 'predicted floor']
        """
        return plot("prediction", self, ax=ax, style=style)


@undisturbed(threads=1)
@np.errstate(over="ignore", invalid="ignore")  # a step that is too large grows without limit
def predict(
    model: LazyModel,
    scheme: TrainingScheme,
    step_size: float | None = None,
    *,
    patterns: Patterns = "frozen",
) -> Prediction:
    """Return what Algorithm 1 does on average over the masks, if activation patterns hardly change.

    In the eigenvectors of the NTK, with h = xi lambda the eigenvalue and c the mask noise of a subnetwork's output,
    c_j = xi (1 - xi) C_jj, local training multiplies the error of a subnetwork by g = (1 - eta h)^tau, and

        mean   a_{k+1} = rho^2 a_k,           rho = 1 - theta (1 - g),
        noise  b_{k+1} = rho^2 b_k + (theta (1 - g))^2 c / p        (Bernoulli masks),
               b_{k+1} = rho^2 b_k + N                              (categorical masks, N of order 1/m).

    A subnetwork after t local steps has the error (1 - eta h)^(2 t) (a + b + c). docs/theory.md derives this and says
    where it ends: where patterns change, and at rates near instability.

    With ``patterns="moving"`` the mean, and the spread C from which the noise comes, are those of a sample of neurons
    that move and cross kinks on their way (`moving_mean_and_spread`): no training, but some 15 + 10 ln K steps of a few
    products of the sample with n x n matrices, and good for much longer.

    Parameters
    ----------
    model : LazyModel
        From `lazy_model` (a given network) or `average_lazy_model`.
    scheme : TrainingScheme
        Bernoulli masks, uniform categorical masks or all neurons; no shards, no minibatches, unselected neurons kept.
    step_size : float, optional
        eta; None takes the scheme's, which must then be a number.
    patterns : {"frozen", "moving"}
        The floor is that of frozen patterns in either case.

    Returns
    -------
    Prediction

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, the prediction is not about the scheme, or moving patterns are asked of an
        average over initial networks.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=1000, n_features=3, seed=0)
    >>> y = np.array([1.0, 0.0, -1.0])
    >>> scheme = sl.dropout(0.5, rounds=100, step_size=1.0)
    >>> prediction = predict(sl.lazy_model(net, np.eye(3), y), scheme)
    >>> bool(np.isclose(prediction.full_error[0], np.sum((y - net.output(np.eye(3), 0.5)) ** 2)))
    True
    """
    checks.instance("predict", "model", model, LazyModel)
    checks.instance("predict", "scheme", scheme, TrainingScheme)
    eta = _step_size(scheme, step_size)
    checks.one_of("predict", "patterns", patterns, ("frozen", "moving"))
    moments = mask_moments(scheme.masks)
    p, tau = moments.n_subnetworks, scheme.local_steps
    xi, theta = float(moments.selection_prob), float(moments.coverage)
    shrink = 1 - eta * xi * model.eigenvalues  # per local step
    gain = theta * (1 - shrink**tau)  # of the error, per round
    rho = 1 - gain
    bernoulli = not partitions(scheme.masks)
    shared = 1 / p if bernoulli else 0.0  # of a subnetwork's noise, by all of them together

    def noise_of_a_round(c: FloatArray) -> FloatArray:
        return gain**2 * c * shared if bernoulli else categorical_noise(model, p, eta, tau)

    c = xi * (1 - xi) * model.spread
    floor = _floor(rho**2, model.initial_moment(xi), noise_of_a_round(c))
    rounds = np.arange(scheme.rounds + 1)[:, np.newaxis]
    if patterns == "frozen":
        mean = rho ** (2 * rounds) * model.initial_moment(xi)  # (K + 1, n)
        noise = noise_of_a_round(c) * _geometric_sum(rho**2, rounds)
    else:
        own = float(moments.mean_step) - theta**2 * shared
        error, spread = moving_mean_and_spread(model, xi, theta, own, eta, tau, scheme.rounds)
        mean, c = error**2, xi * (1 - xi) * spread[:-1]
        noise = _accumulated(np.broadcast_to(noise_of_a_round(c), c.shape), rho**2)
    per_step = shrink ** (2 * np.arange(tau + 1)[:, np.newaxis])  # (tau + 1, n)
    subnetworks = ((mean + noise)[:-1] + c) @ per_step.T
    return Prediction(
        full_error=(mean + noise).sum(axis=1),
        sampled_error=subnetworks[:, 0],
        local_error=subnetworks[:, 1:],
        mean_part=mean.sum(axis=1),
        noise_part=noise.sum(axis=1),
        floor=floor,
        patterns=patterns,
    )


def _geometric_sum(ratio: FloatArray, terms: IntArray) -> FloatArray:
    """Return 1 + q + ... + q^(terms - 1), also at q = 1."""
    near_one = np.abs(1 - ratio) < 1e-12
    safe = np.where(near_one, 0.0, ratio)
    return np.where(near_one, terms, (1 - safe**terms) / (1 - safe))


def _accumulated(noise: FloatArray, ratio: FloatArray) -> FloatArray:
    """Return b_0 = 0, b_{k+1} = q b_k + noise_k, shape (K + 1, n)."""
    collected = np.zeros((len(noise) + 1, noise.shape[1]))
    for k, added in enumerate(noise):
        collected[k + 1] = ratio * collected[k] + added
    return collected


def _floor(ratio: FloatArray, initial: FloatArray, noise: FloatArray) -> float:
    """Return the limit of q^k a + noise (1 - q^k) / (1 - q); infinite where q > 1, a where q = 1 without noise."""
    limits = np.zeros_like(ratio)
    below = ratio < 1
    limits[below] = noise[below] / (1 - ratio[below])
    stuck = ~below & (ratio <= 1 + 1e-12) & (noise == 0)
    limits[stuck] = initial[stuck]
    limits[~below & ~stuck] = np.inf
    return float(limits.sum())


def _step_size(scheme: TrainingScheme, step_size: float | None) -> float:
    eta = scheme.step_size if step_size is None else step_size
    if isinstance(eta, str):
        raise ValueError(f"predict: step_size must be given as a number, the scheme has {eta!r}")
    for name, allowed in PAPER_SCHEME.items():
        value = getattr(scheme, name)
        if value != allowed:
            raise ValueError(f"predict: {name} must be {allowed!r}, got {value!r}: the prediction is not about it")
    return checks.positive_number("predict", "step_size", eta)
