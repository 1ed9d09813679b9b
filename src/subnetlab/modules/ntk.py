"""The tangent kernel of a network of any kind, or of a subnetwork: a measurement, since no theorem covers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import torch

from ..core import checks
from ..core.masks.groups import check_groups, cut_in_round, group_masks, subnetwork_factors, whole_factors
from ..kernels.extremes import extremes_by_products, extremes_of_matrix
from .cutting import Cut
from .function import ParameterFunction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.arrays import BoolArray, FloatArray
    from ..core.masks.groups import CutGroups
    from ..core.masks.law import MaskLaw
    from ..kernels.extremes import ExtremeEigenvalues

Method = Literal["auto", "exact", "lanczos"]

_EXACT = 1000  # the largest size of which "auto" decomposes the whole matrix
_BLOCK_ENTRIES, _PART_ENTRIES = 1 << 26, 1 << 22  # of the Jacobian, kept and beside it, to bound the memory


class ModuleNTK:
    """The finite tangent kernel of a network on n rows with o outputs each. Made by `subnetlab.module_ntk`.

    Nothing but the outputs is computed before a method asks for more. What it finds are measurements: the paper's
    theorems are for one hidden layer.

    Attributes
    ----------
    n_samples, n_outputs, n_parameters : int
        n, o, and the number of entries that are trained. With fewer entries than n o the smallest eigenvalue is 0.
    """

    def __init__(self, function: ParameterFunction) -> None:
        self._function = function
        self.n_samples, self.n_outputs = function.outputs.shape
        self.n_parameters = sum(parameter.numel() for parameter in function.parameters.values())

    @property
    def size(self) -> int:
        """The number of rows of the matrix, n o."""
        return self.n_samples * self.n_outputs

    def __repr__(self) -> str:
        return (
            f"ModuleNTK({self.n_samples} rows of {self.n_outputs} outputs, {self.n_parameters:,} parameters; "
            "a measurement, no theorem covers it)"
        )

    def matrix(self) -> FloatArray:
        """Return G, exact to rounding; ``.reshape(n, o, n, o)`` is G[i, a, j, b].

        The Jacobian is computed in blocks of 512 MiB. Where one does not hold all of it, earlier rows are computed
        again for every further block.

        Returns
        -------
        ndarray, shape (n o, n o)
            Symmetric, bit by bit.

        Raises
        ------
        ValueError
            If it cannot fit into the memory of this machine.
        CutError
            If outputs of a row depend on the other rows, or torch has no derivative of an operation.
        """
        checks.memory("module_ntk", "X", "kernels", 8 * self.size**2)
        G = np.empty((self.size, self.size))
        for first, last in self._blocks(_BLOCK_ENTRIES, self.size):
            J = self._function.jacobian(first, last)
            for other, end in self._blocks(_PART_ENTRIES, first):
                block = (J @ self._function.jacobian(other, end).T).cpu().numpy()
                G[first:last, other:end], G[other:end, first:last] = block, block.T
            own = (J @ J.T).cpu().numpy()
            G[first:last, first:last] = (own + own.T) / 2
        return G

    def _blocks(self, entries: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of the Jacobian's rows below ``end`` with at most so many entries, or of one row."""
        step = max(1, entries // self.n_parameters)
        return ((first, min(first + step, end)) for first in range(0, end, step))

    def product(self, v: FloatArray) -> FloatArray:
        """Return G v = J (J' v) from derivatives of the network, without G and without the Jacobian J.

        Parameters
        ----------
        v : ndarray, shape (n o,)

        Returns
        -------
        ndarray, shape (n o,)
        """
        if np.shape(v) != (self.size,):
            raise ValueError(f"module_ntk: v must have shape ({self.size},), got {np.shape(v)}")
        outputs = self._function.outputs
        given = torch.tensor(np.asarray(v, dtype=np.float64), device=outputs.device).reshape(outputs.shape)
        return self._function.kernel_product(given).reshape(-1).cpu().numpy()

    def eigenvalues(
        self, *, method: Method = "auto", seed: int = 0, most_products: int = 300, accuracy: float = 1e-3
    ) -> ExtremeEigenvalues:
        """Return the smallest and the largest eigenvalue, each with |G v - lambda v|, which says what it is worth.

        Parameters
        ----------
        method : {"auto", "exact", "lanczos"}, default "auto"
            All eigenvalues of the matrix, or Lanczos iteration on products, which never has the matrix; "auto" is
            "exact" up to n o = 1,000.
        seed : int, default 0
            Of the iteration's start vector.
        most_products : int, default 300
            The iteration ends after so many, whatever its residuals are by then.
        accuracy : float, default 1e-3
            It ends earlier when the residuals are at most this share of their eigenvalues.

        Returns
        -------
        ExtremeEigenvalues
        """
        checks.one_of("module_ntk", "method", method, get_args(Method))
        if method == "exact" or (method == "auto" and self.size <= _EXACT):
            return extremes_of_matrix(self.matrix())
        return extremes_by_products(self.product, self.size, seed=seed, most_products=most_products, accuracy=accuracy)


def module_ntk(
    cut: Cut,
    X: Any,
    *,
    masks: Mapping[str, BoolArray] | None = None,
    factors: Mapping[str, float] | None = None,
    state: Mapping[str, torch.Tensor] | None = None,
    batch_size: int = 1000,
) -> ModuleNTK:
    """Return the finite tangent kernel of a network, or of a subnetwork, as a measurement.

    G[i, a, j, b] = sum_e (d f_a(x_i) / d theta_e) (d f_b(x_j) / d theta_e)

    over all entries theta_e of parameters that require gradients, as the whole network stores them. In f, whatever
    unit r of group g puts out is multiplied by M_g[r] c_g where weights consume it, with the mask M and the factor c:
    the function that a subnetwork trains. So entries that the mask does not hold add nothing, and factors change f,
    not theta. In training with ``scale=a`` subnetworks have c_g = xi_g^-a and the whole network xi_g^(1 - a).

    Of one hidden layer with fixed output weights this is c^2 K^l (`masked_ntk`), but that torch's derivative of the
    ReLU at 0 is 0. The paper's H(k) is the mean of the
    K^l, see `subnetlab.modules.ntk.mean_module_ntk`, and not the kernel of u = xi f, which is xi H(k).

    Everything is computed in float64 and as in evaluation mode: batch norm uses its running statistics, dropout drops
    nothing. A network of which rows are not independent even so is refused.

    Parameters
    ----------
    cut : Cut
        The network and its units, from `subnetlab.cut`.
    X : Tensor, ndarray, tuple or dict
        What the network takes, as the example of `subnetlab.cut`, with n rows.
    masks : mapping from group to ndarray of bool, shape (m_g,), optional
        One for every group; all units by default.
    factors : mapping from group to float, optional
        c_g, default 1: `ModuleTraining.factors` of a subnetwork, `ModuleTraining.whole_factors` of the whole.
    state : mapping from name to Tensor, optional
        Parameters and buffers of the whole network, such as `ModuleTraining.entries`; the module's own by default.
    batch_size : int, default 1000
        Rows at once in a product with the kernel.

    Returns
    -------
    ModuleNTK

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule.
    CutError
        If masks or X do not fit the network, outputs are not finite real numbers with one row for each row of X,
        or they depend on the other rows.

    Examples
    --------
    >>> import torch, subnetlab as sl
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1, bias=False))
    >>> _ = model.load_state_dict({"0.weight": torch.eye(3, 2), "0.bias": torch.zeros(3), "2.weight": torch.ones(1, 3)})
    >>> cut = sl.cut(model, torch.zeros(2, 2))
    >>> sl.module_ntk(cut, np.eye(2)).matrix()  # neurons 0 and 1 see one row each, neuron 2 sees none
    array([[3., 0.],
           [0., 3.]])
    >>> sl.module_ntk(cut, np.eye(2), masks={"0": np.array([True, True, False])}).eigenvalues().smallest
    3.0
    """
    checks.instance("module_ntk", "cut", cut, Cut)
    batch_size = checks.whole_number("module_ntk", "batch_size", batch_size, least=1)
    return ModuleNTK(ParameterFunction(cut, X, masks, factors, state, batch_size))


class MeanNTK(NamedTuple):
    """A mean of kernels over random masks.

    Parameters
    ----------
    matrix : ndarray, shape (n o, n o)
    standard_error : float
        Of the mean, in the Frobenius norm: sqrt(sum of the entries' variances / rounds). NaN for one round.
    """

    matrix: FloatArray
    standard_error: float


def mean_module_ntk(
    cut: Cut,
    X: Any,
    masks: MaskLaw,
    *,
    rounds: int = 16,
    seed: int = 0,
    scale: float = 1.0,
    cut_groups: CutGroups = "all",
    state: Mapping[str, torch.Tensor] | None = None,
) -> MeanNTK:
    """Return the mean of the kernels of all subnetworks that a law draws in some rounds, as a measurement.

    Parameters
    ----------
    cut, X, state
        As for `module_ntk`.
    masks : MaskLaw
        The masks are those of a run's first rounds with this seed.
    rounds : int, default 16
        Of p kernels each.
    seed : int, default 0
    scale : float, default 1.0
        a, as in `ModuleTraining`: 0 is the paper.
    cut_groups : {"all", "alternate"} or tuple of str, default "all"
        As in `TrainingScheme`.

    Returns
    -------
    MeanNTK

    Raises
    ------
    TypeError, ValueError
        As for `module_ntk`, or if masks or groups do not fit the network.
    """
    owner = "mean_module_ntk"
    rounds, seed = checks.whole_number(owner, "rounds", rounds, least=1), checks.seed_number(owner, seed)
    checks.instance(owner, "cut", cut, Cut)
    check_groups(masks, cut_groups, cut.units, rounds)
    whole = whole_factors(masks, cut_groups, cut.units, scale)
    total, squares = np.zeros(()), 0.0
    for round in range(rounds):
        cut_now = cut_in_round(cut_groups, cut.units, round)
        drawn = group_masks(masks, seed, round, cut.units.groups, cut_now)
        of_round = np.zeros(())
        for l in range(masks.n_subnetworks):
            own = {group: M[l] for group, M in drawn.items()}
            factors = subnetwork_factors(masks, cut_now, whole, scale, l)
            of_round = of_round + module_ntk(cut, X, masks=own, factors=factors, state=state).matrix()
        of_round = of_round / masks.n_subnetworks
        total, squares = total + of_round, squares + float(np.sum(of_round**2))
    mean = total / rounds
    variance = max(0.0, squares / rounds - float(np.sum(mean**2)))
    error = np.sqrt(variance / (rounds - 1)) if rounds > 1 else np.nan
    return MeanNTK(mean, float(error))
