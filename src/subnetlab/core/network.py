"""The shallow ReLU network of Section 3.1 and its masked subnetworks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..surroundings import undisturbed
from . import checks
from .randomness import Purpose, rows_of_words, standard_normals
from .renamed import renamed_arguments, renamed_attribute

if TYPE_CHECKING:
    from .arrays import BoolArray, FloatArray


@renamed_arguments(signs="output_weights")
@dataclass(frozen=True, eq=False)
class ShallowReLU:
    """One hidden layer of ReLU neurons with trained input weights and fixed output weights.

    Full model (with the factor xi):  u(x) = (xi / sqrt m) sum_r a_r relu(<w_r, x>).
    Subnetwork (without it):          f^l(x) = (1 / sqrt m) sum_r a_r m^l_r relu(<w_r, x>).

    Parameters
    ----------
    weights : ndarray, shape (m, d)
        W; row r is w_r. Held read-only and not copied.
    output_weights : ndarray, shape (m,) or (m, o)
        a; -1 or +1 in the paper. Two dimensions give o outputs.

    Raises
    ------
    TypeError
        If an array does not hold real numbers.
    ValueError
        If the shapes do not fit each other or a value is not finite.

    Examples
    --------
    >>> net = ShallowReLU.initialize(width=1000, n_features=3, seed=0)
    >>> net.output(np.eye(3)).shape
    (3,)
    """

    weights: FloatArray
    output_weights: FloatArray

    signs: ClassVar[Any] = renamed_attribute("signs", "output_weights")

    def __post_init__(self) -> None:
        weights = _frozen(self.weights, "weights")
        a = _frozen(self.output_weights, "output_weights")
        if weights.ndim != 2 or 0 in weights.shape:
            raise ValueError(f"ShallowReLU: weights must have shape (m, d), got {weights.shape}")
        if a.ndim not in (1, 2) or a.shape[0] != weights.shape[0] or 0 in a.shape:
            raise ValueError(
                f"ShallowReLU: output_weights must have shape ({len(weights)},) or ({len(weights)}, n_outputs), "
                f"got {a.shape}"
            )
        for name, array in (("weights", weights), ("output_weights", a)):
            if not np.isfinite(array).all():
                raise ValueError(f"ShallowReLU: {name} must be finite, got a value that is not")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "output_weights", a)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the arrays of a pickled network, also of one from before ``signs`` were called ``output_weights``."""
        vars(self).update({"output_weights" if name == "signs" else name: value for name, value in state.items()})

    def __repr__(self) -> str:
        outputs = "" if self.output_weights.ndim == 1 else f", n_outputs={self.output_weights.shape[1]}"
        return f"ShallowReLU(width={self.width}, n_features={self.n_features}{outputs})"

    @classmethod
    def initialize(
        cls,
        width: int,
        n_features: int,
        init_scale: float = 1.0,
        seed: int = 0,
        *,
        n_outputs: int | None = None,
    ) -> ShallowReLU:
        """Return the random initial network: w_r ~ N(0, kappa^2 I), a_r = -1 or +1 with equal chance.

        Neuron r is a pure function of (seed, r), so a wider network extends a narrower one and a part of
        it can be drawn alone (see `initial_neurons`).

        Parameters
        ----------
        width, n_features : int
            m and d.
        init_scale : float, default 1.0
            kappa, above 0.
        seed : int, default 0
            In [0, 2**64).
        n_outputs : int, optional
            o, the number of outputs; None (the paper) gives one-dimensional output weights.
        """
        checks.whole_number("ShallowReLU.initialize", "width", width, least=1)
        weights, signs = initial_neurons(
            0, width, n_features=n_features, init_scale=init_scale, seed=seed, n_outputs=n_outputs
        )
        return cls(weights, signs)

    @property
    def width(self) -> int:
        """The number of hidden neurons, m."""
        return self.weights.shape[0]

    @property
    def n_features(self) -> int:
        """The number of inputs, d."""
        return self.weights.shape[1]

    @undisturbed()
    def output(self, X: FloatArray, selection_prob: float = 1.0) -> FloatArray:
        """Return u(x_i) = (xi / sqrt m) sum_r a_r relu(<w_r, x_i>) for every row x_i of X.

        Parameters
        ----------
        X : ndarray, shape (n, d)
        selection_prob : float, default 1.0
            xi.

        Returns
        -------
        ndarray, shape (n,) or (n, o)

        Raises
        ------
        TypeError, ValueError
            If X holds no real numbers or has another shape, or xi is outside (0, 1].
        """
        selection_prob = checks.probability("ShallowReLU", "selection_prob", selection_prob)
        return network_output(self._checked_features(X), self.weights, self.output_weights, selection_prob)

    @undisturbed()
    def subnetwork_output(self, X: FloatArray, mask: BoolArray) -> FloatArray:
        """Return f(x_i) = (1 / sqrt m) sum_r a_r m_r relu(<w_r, x_i>) for every row x_i of X.

        Parameters
        ----------
        X : ndarray, shape (n, d)
        mask : ndarray of bool, shape (m,)

        Returns
        -------
        ndarray, shape (n,) or (n, o)
        """
        mask = self._checked_mask(mask)
        # not `network_output`: a division after the product rounds otherwise, and m is not the subnetwork's width
        a = self.output_weights[mask]
        return (activations(self._checked_features(X), self.weights[mask]) @ a) / np.sqrt(self.width)

    @undisturbed()
    def subnetwork_gradient(self, X: FloatArray, y: FloatArray, mask: BoolArray) -> FloatArray:
        """Return the gradient of the local loss 1/2 |y - f|^2 with respect to W (Section 3).

        dL/dw_r = (1 / sqrt m) m_r sum_i a_r (f(x_i) - y_i) x_i 1{<w_r, x_i> >= 0}; the indicator is 1 at 0.

        Parameters
        ----------
        X : ndarray, shape (n, d)
        y : ndarray, shape (n,) or (n, o)
        mask : ndarray of bool, shape (m,)

        Returns
        -------
        ndarray, shape (m, d)
        """
        mask = self._checked_mask(mask)
        error = self.subnetwork_output(X, mask) - y  # (n,) or (n, o)
        active = (X @ self.weights.T >= 0) & mask  # (n, m)
        a = self.output_weights
        slopes = np.outer(error, a) if a.ndim == 1 else error @ a.T  # (n, m)
        return (active * slopes).T @ X / np.sqrt(self.width)

    def _checked_features(self, X: FloatArray) -> FloatArray:
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise ValueError(f"ShallowReLU: X must have shape (n, {self.n_features}), got {X.shape}")
        if X.dtype.kind not in "fiub":
            raise TypeError(f"ShallowReLU: X must hold real numbers, got dtype {X.dtype}")
        return X

    def _checked_mask(self, mask: BoolArray) -> BoolArray:
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.width,):
            raise ValueError(f"ShallowReLU: mask must be bool of shape ({self.width},), got {mask.dtype} {mask.shape}")
        return mask


def activations(X: FloatArray, weights: FloatArray) -> FloatArray:
    """Return s_ir = relu(<w_r, x_i>), what the hidden neurons pass on, shape (n, m).

    Nothing is checked: weights of a run that overflowed give what NumPy gives.

    Examples
    --------
    >>> activations(np.eye(2), np.array([[1.0, -2.0], [0.5, 3.0]]))
    array([[1. , 0.5],
           [0. , 3. ]])
    """
    Z = X @ weights.T
    return np.maximum(Z, 0, out=Z)


def network_output(X: FloatArray, weights: FloatArray, output_weights: FloatArray, selection_prob: float) -> FloatArray:
    """Return u(x_i) = (xi / sqrt m) sum_r a_r relu(<w_r, x_i>), shape (n,) or (n, o), unchecked as `activations`."""
    return (selection_prob / np.sqrt(len(weights))) * (activations(X, weights) @ output_weights)


@undisturbed()
def initial_neurons(
    start: int,
    stop: int,
    *,
    n_features: int,
    init_scale: float = 1.0,
    seed: int = 0,
    n_outputs: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the initial weights and signs of the neurons start, ..., stop - 1 alone.

    Returns
    -------
    weights : ndarray, shape (stop - start, d)
    signs : ndarray, shape (stop - start,) or (stop - start, o)

    Examples
    --------
    >>> whole = ShallowReLU.initialize(width=50, n_features=4, seed=1)
    >>> part, _ = initial_neurons(20, 30, n_features=4, seed=1)
    >>> np.array_equal(whole.weights[20:30], part)
    True
    """
    owner = "ShallowReLU.initialize"
    d = checks.whole_number(owner, "n_features", n_features, least=1)
    kappa = checks.positive_number(owner, "init_scale", init_scale)
    seed = checks.seed_number(owner, seed)
    columns = 1 if n_outputs is None else checks.whole_number(owner, "n_outputs", n_outputs, least=1)
    weights = standard_normals(seed, Purpose.WEIGHTS, start, stop - start, d)
    weights *= kappa
    words = rows_of_words(seed, Purpose.SIGNS, 0, start, stop - start, columns)
    signs = np.where(words >> np.uint64(63), 1.0, -1.0)
    return weights, signs[:, 0] if n_outputs is None else signs


def _frozen(array: FloatArray, name: str) -> FloatArray:
    view = np.asarray(array)
    if view.dtype.kind not in "fiub":
        raise TypeError(f"ShallowReLU: {name} must hold real numbers, got dtype {view.dtype}")
    if view.dtype.kind != "f":
        view = view.astype(np.float64)
    view = view.view()
    view.flags.writeable = False
    return view
