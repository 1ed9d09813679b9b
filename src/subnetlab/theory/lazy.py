"""The lazy regime: activation patterns stay as they were, and the width is large.

Then a round is a linear map of the error plus noise, both diagonal in the eigenvectors of the NTK; docs/derivations
derives it. In those eigenvectors this module holds the few numbers per eigenvector that a prediction needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.inputs import LARGEST
from ..core.network import ShallowReLU, activations, initial_neurons
from ..kernels.angles import pair_angles
from ..kernels.finite import finite_ntk
from ..kernels.infinite import infinite_ntk
from ..surroundings import undisturbed
from .setting import one_output_data

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray

_ENTRIES_AT_ONCE = 1 << 23
_LEAST_FOLLOWED, _NUMBERS_FOLLOWED = 4096, 1 << 18  # neurons, and neurons times rows


@dataclass(frozen=True, eq=False)
class LazyModel:
    """Data and initial network as the lazy regime sees them, all for xi = 1.

    Parameters
    ----------
    eigenvalues : ndarray, shape (n,)
        Of the NTK H, without the factor xi.
    eigenvectors : ndarray, shape (n, n)
        In columns.
    activations : ndarray, shape (n, n)
        C_ij = (1/m) sum_r s_ri s_rj with s_ri = relu(<w_r, x_i>): masks add noise of covariance proportional to it.
    targets : ndarray, shape (n,)
        y in the eigenvectors.
    output : ndarray, shape (n,), optional
        The initial output for xi = 1 in the eigenvectors; None for the average over all initial networks,
        where it is Gaussian with mean 0 and covariance C.
    patterns : ndarray of bool, shape (n, k)
        Activation patterns of k neurons, a sample for quantities that depend on single neurons.
    neurons : ndarray, shape (n, k')
        Pre-activations z_ri = <w_r, x_i> of k' neurons, a sample that predictions follow.
    signs : ndarray, shape (k',)
        Their signs a_r.
    width : int
        m.
    X : ndarray, shape (n, d)
    """

    eigenvalues: FloatArray
    eigenvectors: FloatArray
    activations: FloatArray
    targets: FloatArray
    output: FloatArray | None
    patterns: BoolArray
    neurons: FloatArray
    signs: FloatArray
    width: int
    X: FloatArray

    def __repr__(self) -> str:
        of = "all initial networks" if self.output is None else "one initial network"
        return f"LazyModel(n_samples={len(self.targets)}, width={self.width}, of {of})"

    def initial_moment(self, selection_prob: float) -> FloatArray:
        """Return the (mean) squares of the initial error u_0 - y in each eigenvector, shape (n,)."""
        if self.output is not None:
            return (selection_prob * self.output - self.targets) ** 2
        return self.targets**2 + selection_prob**2 * self.spread

    @property
    def spread(self) -> FloatArray:
        """The diagonal of C in the eigenvectors, shape (n,)."""
        V = self.eigenvectors
        return np.einsum("ij,ij->j", V, self.activations @ V)


@undisturbed(threads=1)
def lazy_model(
    network: ShallowReLU, X: FloatArray, y: FloatArray, n_patterns: int = 256, n_neurons: int | None = None
) -> LazyModel:
    """Return the lazy model of a given initial network.

    Parameters
    ----------
    network : ShallowReLU
        One output, signs -1 or +1.
    X : ndarray, shape (n, d)
    y : ndarray, shape (n,)
    n_patterns : int, default 256
        How many neurons' patterns to keep as a sample; neurons are independent, so the first ones will do.
    n_neurons : int, optional
        How many neurons to keep for predictions to follow, at least 1; None keeps 4,096, or more if there are few rows.

    Raises
    ------
    TypeError, ValueError
        If the arguments break their rules.
    """
    checks.instance("lazy_model", "network", network, ShallowReLU)
    X, y = one_output_data("lazy_model", X, y)
    checks.whole_number("lazy_model", "n_patterns", n_patterns, least=1)
    kept = max(_LEAST_FOLLOWED, _NUMBERS_FOLLOWED // len(X)) if n_neurons is None else n_neurons
    checks.whole_number("lazy_model", "n_neurons", kept, least=1)
    if network.output_weights.ndim != 1:
        raise ValueError(f"lazy_model: network must have one output, got signs of shape {network.output_weights.shape}")
    other = network.output_weights[np.abs(network.output_weights) != 1]
    if other.size:
        raise ValueError(f"lazy_model: network must have signs -1 or +1, got {other[0]}")
    if network.n_features != X.shape[1]:
        raise ValueError(f"lazy_model: X must have the network's {network.n_features} features, got {X.shape[1]}")
    eigenvalues, V = np.linalg.eigh(finite_ntk(network, X))
    return LazyModel(
        eigenvalues=eigenvalues,
        eigenvectors=V,
        activations=_activation_products(network, X),
        targets=V.T @ y,
        output=V.T @ network.output(X),
        patterns=X @ network.weights[:n_patterns].T.copy() >= 0,
        neurons=X @ network.weights[:kept].T,
        signs=network.output_weights[:kept].astype(float),
        width=network.width,
        X=X,
    )


@undisturbed(threads=1)
def average_lazy_model(
    X: FloatArray, y: FloatArray, width: int, init_scale: float = 1.0, n_patterns: int = 256, seed: int = 0
) -> LazyModel:
    """Return the lazy model averaged over all initial networks, with the infinite-width kernel.

    C_ij is then kappa^2 |x_i| |x_j| (sin phi + (pi - phi) cos phi) / (2 pi) with the angle phi of the two rows.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    y : ndarray, shape (n,)
    width : int
        m.
    init_scale : float, default 1.0
        kappa.
    n_patterns, seed : int
        The size and the seed of a sample of neurons, from which the noise of categorical masks is estimated.

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule.
    """
    X, y = one_output_data("average_lazy_model", X, y)
    checks.whole_number("average_lazy_model", "width", width, least=1)
    kappa = checks.positive_number("average_lazy_model", "init_scale", init_scale, most=LARGEST)
    checks.whole_number("average_lazy_model", "n_patterns", n_patterns, least=1)
    checks.seed_number("average_lazy_model", seed)
    eigenvalues, V = np.linalg.eigh(infinite_ntk(X))
    lengths = np.linalg.norm(X, axis=1)
    phi = pair_angles(X)
    C = kappa**2 * np.outer(lengths, lengths) * (np.sin(phi) + (np.pi - phi) * np.cos(phi)) / (2 * np.pi)
    weights, _ = initial_neurons(0, min(n_patterns, width), n_features=X.shape[1], seed=seed)
    return LazyModel(
        eigenvalues=eigenvalues,
        eigenvectors=V,
        activations=C,
        targets=V.T @ y,
        output=None,
        patterns=X @ weights.T >= 0,
        neurons=kappa * (X @ weights.T),
        signs=np.zeros(len(weights)),
        width=width,
        X=X,
    )


def _activation_products(network: ShallowReLU, X: FloatArray) -> FloatArray:
    """Return (1/m) sum_r s_r s_r', in blocks of neurons."""
    C = np.zeros((len(X), len(X)))
    step = max(1, _ENTRIES_AT_ONCE // len(X))
    for start in range(0, network.width, step):
        s = activations(X, network.weights[start : start + step])
        C += s @ s.T
    return C / network.width
