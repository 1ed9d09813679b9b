"""A network or subnetwork as a function of its parameters: in float64, in evaluation mode, row by row."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from .errors import CutError
from .running import Evaluation, in_double
from .structure import as_call, like, taken_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..core.arrays import BoolArray
    from .cutting import Cut

_SAME_ROW = 1e-9  # relative difference of a row's outputs, alone and among others, that rounding explains


class ParameterFunction:
    """theta -> f(x_1), ..., f(x_n) of a subnetwork, theta the entries that it holds and that are trained.

    Parameters
    ----------
    cut : Cut
    X : Tensor, ndarray, tuple or dict
        What the network takes, rows first.
    masks, factors
        As for `Cut.subnetwork`; everything by default.
    state : mapping from name to Tensor, optional
        Parameters and buffers of the whole network; the user's module's own by default.
    batch_size : int
        Rows at once.

    Attributes
    ----------
    parameters : dict from name to Tensor
    outputs : Tensor, shape (n, o)
        All that the network puts out for a row, one after another.
    """

    def __init__(
        self,
        cut: Cut,
        X: Any,
        masks: Mapping[str, BoolArray] | None,
        factors: Mapping[str, float] | None,
        state: Mapping[str, Tensor] | None,
        batch_size: int,
    ) -> None:
        everything = {group: np.ones(size, dtype=bool) for group, size in cut.units.groups.items()}
        network = cut.subnetwork(everything if masks is None else masks, factors)
        network._apply(in_double)
        network.fill(cut.state() if state is None else state)
        evaluation = Evaluation(network, cut)
        network._subnetlab = replace(network._subnetlab, compute=lambda _, *leaves: evaluation.run(*leaves))
        self._network, self._batch_size, self._inputs = network, batch_size, cut.graph.inputs
        stored = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        self.parameters = {name: stored[name].detach() for name in stored if name in trained}
        self._fixed = {name: stored[name].detach() for name in stored if name not in trained}
        if not trained or any(p.is_complex() for p in self.parameters.values()):
            raise CutError("module_ntk: the network must have real parameters that require gradients")
        self._read(X)
        with torch.no_grad():
            self.outputs = torch.cat([self(self.parameters, *rows) for rows in self._batches()])
            if not bool(torch.isfinite(self.outputs).all()):
                raise CutError("module_ntk: the network's outputs must be finite in float64, for these rows")
            for row in {0, self.n_samples - 1}:
                self._check_row(row, self(self.parameters, row, row + 1))

    def __call__(self, parameters: Mapping[str, Tensor], first: int, last: int) -> Tensor:
        """Return the outputs of the rows first, ..., last - 1, shape (last - first, o)."""
        rows = [first, first] if self._twice and last - first == 1 else slice(first, last)
        args, kwargs = self._call(rows)
        fixed = {name: tensor.clone() for name, tensor in self._fixed.items()}  # a forward may change its buffers
        with sdpa_kernel(SDPBackend.MATH):  # the other ones have no second derivative
            result = torch.func.functional_call(self._network, {**parameters, **fixed}, args, kwargs)
        found: list[Tensor] = []
        taken_apart(result, found)
        size = len(rows) if isinstance(rows, list) else last - first
        for part in found:
            if not part.is_floating_point() or part.ndim == 0 or len(part) != size:
                raise CutError(
                    "module_ntk: every output must hold real numbers and one row for each row of X, "
                    f"got {part.dtype} of shape {tuple(part.shape)} for {size} rows"
                )
        return torch.cat([part.reshape(size, -1) for part in found], dim=1)[: last - first]

    @property
    def n_samples(self) -> int:
        """The number of rows, n."""
        return next(len(leaf) for leaf, varies in zip(self._leaves, self._varies, strict=True) if varies)

    def jacobian(self, first: int, last: int) -> Tensor:
        """Return rows of the Jacobian, one for each output of each row of X, shape (last - first, parameters).

        Row i o + a is the gradient of f_a(x_i); every row of X is computed alone.
        """
        outputs = self.outputs.shape[1]
        rows: list[Tensor] = []
        for row in range(first // outputs, (last - 1) // outputs + 1):
            wanted = slice(max(first - row * outputs, 0), min(last - row * outputs, outputs))
            with _in_our_words():
                alone, pull = torch.func.vjp(lambda p, row=row: self(p, row, row + 1), self.parameters)[:2]
                self._check_row(row, alone.detach())
                ones = torch.eye(outputs, dtype=torch.float64, device=alone.device)[wanted, None]
                (gradients,) = torch.func.vmap(pull)(ones)
            rows.append(torch.cat([gradients[name].flatten(1) for name in self.parameters], dim=1))
        return torch.cat(rows)

    def kernel_product(self, v: Tensor) -> Tensor:
        """Return J J' v for v of the outputs' shape (n, o), batch by batch."""
        batches = list(self._batches())
        if len(batches) == 1:
            gradients, push = self._both_ways(*batches[0], v)
            return push(gradients)
        total = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}
        for rows in batches:
            gradients, _ = self._both_ways(*rows, v)
            total = {name: before + gradients[name] for name, before in total.items()}
        return torch.cat([self._both_ways(*rows, v)[1](total) for rows in batches])

    def _both_ways(self, first: int, last: int, v: Tensor) -> tuple[dict[str, Tensor], Callable[[Any], Tensor]]:
        """Return J' v and the map t -> J t, J of some rows.

        J' v is linear in v, so its own derivative backwards is J; torch has that for more operations than derivatives
        forwards.
        """
        with _in_our_words():
            pull = torch.func.vjp(lambda p: self(p, first, last), self.parameters)[1]
            (gradients,), push = torch.func.vjp(pull, v[first:last])[:2]

        def onwards(t: Any) -> Tensor:
            with _in_our_words():
                return push((t,))[0]

        return gradients, onwards

    def _batches(self) -> Iterator[tuple[int, int]]:
        """Yield the first row of each batch, and the one behind its last."""
        for first in range(0, self.n_samples, self._batch_size):
            yield first, min(first + self._batch_size, self.n_samples)

    def _check_row(self, row: int, alone: Tensor) -> None:
        """Raise if the outputs of a row depend on the rows beside it."""
        among = self.outputs[row]
        if not float((alone[0] - among).abs().max()) <= _SAME_ROW * float(among.abs().max()):  # also for NaN
            raise CutError(
                f"module_ntk: every row must have outputs of its own, but those of row {row} depend on the other rows "
                "(as with batch norm without running statistics)"
            )

    def _read(self, X: Any) -> None:
        """Take X apart as the network takes it, checked, and note which leaves have rows."""
        args, kwargs = as_call(like(X, lambda v: torch.from_numpy(v) if isinstance(v, np.ndarray) else v))
        leaves = self._network._leaves(args, kwargs)
        sizes = [s[0] if isinstance(s, torch.Size) and len(s) else None for s in self._inputs.shapes]
        batch = next((str(size) for size in sizes if size is not None and not isinstance(size, int)), None)
        self._varies = [size is not None and str(size) == batch for size in sizes]
        if not any(self._varies):
            raise CutError("module_ntk: the first dimension of an input must be a batch that may vary")
        device = next(iter(self.parameters.values())).device
        self._leaves = [in_double(v.detach()).to(device) if isinstance(v, Tensor) else v for v in leaves]
        if not self.n_samples:
            raise CutError("module_ntk: X must have at least one row")
        call = dict(zip(("args", "kwargs"), self._call(slice(0, 1)), strict=True))
        self._twice = not all(guard(call) for _, guard in self._inputs.guards)  # the network refuses a single row

    def _call(self, rows: slice | list[int]) -> tuple[Any, Any]:
        """Return positional and keyword arguments for some rows."""
        leaves = iter([v[rows] if varies else v for v, varies in zip(self._leaves, self._varies, strict=True)])
        return like((self._inputs.args, self._inputs.kwargs), lambda _: next(leaves))


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Say in one sentence what torch cannot differentiate."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            yield
    except (NotImplementedError, RuntimeError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CutError(f"module_ntk: torch cannot differentiate this network's operations: {first[:300]}") from error
