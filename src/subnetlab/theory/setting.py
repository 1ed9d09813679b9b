"""Data, scheme and network as the quantities that the theorems speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.inputs import LARGEST, SMALLEST, ParallelRows, check_features, check_targets, has_unit_rows, parallel_rows
from ..core.masks.law import partitions
from ..core.network import ShallowReLU
from ..core.scheme import TrainingScheme
from ..kernels.certified import certified_smallest_eigenvalue
from ..kernels.eigenvalues import smallest_eigenvalue
from ..kernels.infinite import infinite_ntk, infinite_ntk_entry_error
from ..surroundings import undisturbed
from .auto_step import auto_step_size
from .moments import MaskMoments, mask_moments

if TYPE_CHECKING:
    from typing import Any

    from ..core.arrays import FloatArray
    from ..core.masks import MaskLaw

PAPER_SCHEME: dict[str, str | None] = {"shards": None, "batch_size": None, "unselected": "keep"}
"""What a scheme may have otherwise, and how the paper has it."""


@dataclass(frozen=True)
class TheorySetting:
    """Everything a theorem needs; built by `theory_setting`.

    Parameters
    ----------
    n_samples, n_features, width : int
        n, d, m.
    init_scale : float
        kappa.
    masks : MaskLaw
    moments : MaskMoments
    rounds, local_steps : int
        K, tau.
    step_size : float
        eta.
    failure_prob : float
        delta.
    smallest_eigenvalue : float
        lambda_0 of the infinite NTK, with the factor xi.
    proven_eigenvalue : float
        A proven lower bound of it.
    target_bound : float
        The least C >= 1 with |y_i| <= C - 1.
    initial_error : float
        |y - u_0|^2 of the network, or |y|^2 + n xi^2 kappa^2 / 2, its expectation.
    complexity : float
        y' H_inf^{-1} y; infinite if H_inf is singular.
    parallel : tuple of ParallelRows
    other_features : tuple of str
        What the scheme has that no theorem covers (shards, minibatches, ...).
    """

    n_samples: int
    n_features: int
    width: int
    init_scale: float
    masks: MaskLaw
    moments: MaskMoments
    rounds: int
    local_steps: int
    step_size: float
    failure_prob: float
    smallest_eigenvalue: float
    proven_eigenvalue: float
    target_bound: float
    initial_error: float
    complexity: float
    parallel: tuple[ParallelRows, ...]
    other_features: tuple[str, ...]

    @property
    def selection_prob(self) -> float:
        """The factor xi."""
        return float(self.moments.selection_prob)

    @property
    def coverage(self) -> float:
        """The coverage theta."""
        return float(self.moments.coverage)


def one_output_data(owner: str, X: Any, y: Any) -> tuple[FloatArray, FloatArray]:
    """Return X, shape (n, d), and y, shape (n,), checked: the theory is about one output."""
    X = check_features(X, owner=owner)
    y = check_targets(y, len(X), owner=owner)
    if y.ndim != 1:
        raise ValueError(f"{owner}: y must have one output, got shape {y.shape}")
    return X, y


@undisturbed(threads=1)
def theory_setting(
    X: Any,
    y: Any,
    scheme: TrainingScheme,
    *,
    width: int | None = None,
    init_scale: float = 1.0,
    failure_prob: float = 0.1,
    step_size: float | None = None,
    network: ShallowReLU | None = None,
) -> TheorySetting:
    """Return the setting of data, scheme and network.

    Parameters
    ----------
    X : array, shape (n, d)
        Rows of norm 1.
    y : array, shape (n,)
    scheme : TrainingScheme
    width : int, optional
        m; needed unless a network is given, and otherwise that of the network.
    init_scale : float, default 1.0
        kappa; also with a network, whose weights cannot tell it exactly.
    failure_prob : float, default 0.1
        delta, in (0, 1).
    step_size : float, optional
        eta; None takes the scheme's. "theory" and "auto" become numbers as in training; "auto" without a network
        takes the infinite NTK.
    network : ShallowReLU, optional
        The initial network, for its own initial error.

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule, rows have another norm than 1, no theory covers the masks, or the step size is
        "theory" and lambda_0 is zero up to rounding.
    """
    owner = "theory"
    checks.instance(owner, "scheme", scheme, TrainingScheme)
    X, y = one_output_data(owner, X, y)
    if not has_unit_rows(X):
        norms = np.linalg.norm(X, axis=1)
        worst = int(np.argmax(np.abs(norms - 1)))
        raise ValueError(f"{owner}: rows of X must have norm 1, got {norms[worst]:.6g} at row {worst}")
    kappa = checks.positive_number(owner, "init_scale", init_scale, most=LARGEST)
    delta = checks.positive_number(owner, "failure_prob", failure_prob)
    if delta >= 1:
        raise ValueError(f"{owner}: failure_prob must be in (0, 1), got {failure_prob}")
    m = _width(owner, width, network, X.shape[1])
    moments = mask_moments(scheme.masks)
    xi = float(moments.selection_prob)
    H = infinite_ntk(X, xi)
    lambda_0 = smallest_eigenvalue(H)
    proven = certified_smallest_eigenvalue(H, infinite_ntk_entry_error(X, xi))
    if network is None:
        initial_error = float(y @ y + len(y) * xi**2 * kappa**2 / 2)
    else:
        initial_error = float(np.sum((y - network.output(X, xi)) ** 2))
    return TheorySetting(
        n_samples=X.shape[0],
        n_features=X.shape[1],
        width=m,
        init_scale=kappa,
        masks=scheme.masks,
        moments=moments,
        rounds=scheme.rounds,
        local_steps=scheme.local_steps,
        step_size=_step_size(scheme, step_size, H, lambda_0, X, m, network),
        failure_prob=delta,
        smallest_eigenvalue=lambda_0,
        proven_eigenvalue=proven,
        target_bound=1 + float(np.max(np.abs(y))),
        initial_error=initial_error,
        complexity=float(y @ np.linalg.solve(H, y)) if proven > 0 else np.inf,
        parallel=tuple(parallel_rows(X)),
        other_features=beyond_the_paper(scheme),
    )


def _width(owner: str, width: int | None, network: ShallowReLU | None, n_features: int) -> int:
    """Return m, of the network if there is one."""
    if network is None:
        return checks.whole_number(owner, "width", width, least=1)
    checks.instance(owner, "network", network, ShallowReLU)
    if network.output_weights.ndim != 1:
        shape = network.output_weights.shape
        raise ValueError(f"{owner}: network must have one output, got output weights of shape {shape}")
    if network.n_features != n_features:
        raise ValueError(f"{owner}: X must have the network's {network.n_features} features, got {n_features}")
    if width is not None and checks.whole_number(owner, "width", width, least=1) != network.width:
        raise ValueError(f"{owner}: width must be the network's {network.width} or left out, got {width}")
    return network.width


def _step_size(
    scheme: TrainingScheme,
    step_size: float | None,
    H: FloatArray,
    lambda_0: float,
    X: FloatArray,
    width: int,
    network: ShallowReLU | None,
) -> float:
    eta = scheme.step_size if step_size is None else step_size
    if eta == "theory":
        return theory_step_size(H, lambda_0, scheme, owner="theory")
    if eta == "auto":
        return auto_step_size(network, X, scheme, width=width, owner="theory")
    return checks.positive_number("theory", "step_size", eta, least=SMALLEST, most=LARGEST)


def beyond_the_paper(scheme: TrainingScheme) -> tuple[str, ...]:
    """Return the settings of the scheme that the paper does not have, as "name=value"."""
    values = ((name, getattr(scheme, name)) for name in PAPER_SCHEME)
    return tuple(f"{name}={value}" for name, value in values if value != PAPER_SCHEME[name])


def theory_step_size(H: FloatArray, lambda_0: float, scheme: TrainingScheme, *, owner: str) -> float:
    """Return the step size "theory", the theorem's limit of eta.

    Parameters
    ----------
    H : ndarray, shape (n, n)
        The infinite NTK, with the factor xi.
    lambda_0 : float
        Its smallest eigenvalue.
    scheme : TrainingScheme
    owner : str
        Who asks, for messages.

    Raises
    ------
    ValueError
        If lambda_0 is zero up to rounding: then no step size is covered.
    """
    if lambda_0 <= len(H) * np.finfo(float).eps * np.trace(H):  # no more than rounding
        raise ValueError(f"{owner}: step_size='theory' needs lambda_0 > 0, got {lambda_0:.3g}: are rows of X parallel?")
    return step_size_limit(lambda_0, len(H), scheme.masks, scheme.local_steps)


def step_size_limit(lambda_0: float, n_samples: int, masks: MaskLaw, local_steps: int) -> float:
    """Return the theorem's limit of eta.

    Bernoulli and other independent masks (Theorem 3): the least of lambda_0 / (4 n^2) (Hypothesis 1),
    lambda_0 / (16 (tau - 1) n^2) (Lemma 6, no limit at tau = 1) and lambda_0 / (48 n tau max{n, p}) (Lemma 10).
    Categorical masks (Theorem 4): lambda_0 / (4 n^2).

    Parameters
    ----------
    lambda_0 : float
        The smallest eigenvalue of the infinite NTK, including the factor xi.
    n_samples : int
        n.
    masks : MaskLaw
    local_steps : int
        tau.
    """
    n, p, tau = n_samples, masks.n_subnetworks, local_steps
    limits = [lambda_0 / (4 * n**2)]
    if not partitions(masks):
        limits.append(lambda_0 / (48 * n * tau * max(n, p)))
        if tau > 1:
            limits.append(lambda_0 / (16 * (tau - 1) * n**2))
    return min(limits)
