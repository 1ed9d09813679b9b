"""The torch engine: the subnetworks of a round at once, on the CPU or a CUDA device.

They are padded to the largest with neurons of zero weights and zero output weights, which do nothing. A local step is
that of the dual engine (`dual.py`), W = W_0 + C X and Z = W X', on arrays of shape (p, M, n):

    S = a_r 1{z_ri >= 0} residual_i,    C -= (eta / sqrt m) S,    Z -= (eta / sqrt m) S X X'.

S X X' is one product with the Gram matrix while n <= 2 d, and two with X, as many operations as a primal step needs,
where n is larger. Inside a round nothing waits for the host, which gets the errors at its end.

State: C and Z (m x n) and a on the device, W_0 on the host. Scratch: up to six arrays of (subnetworks at once) x M x n,
where as many subnetworks go at once as `_ENTRIES_AT_ONCE` allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..core.aggregation import aggregation_step
from ..core.record import RoundRecord
from ..core.rows import row_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray, IntArray
    from ..core.losses import LossName
    from ..core.rows import LocalRows
    from .base import Device, Dtype, Problem

_ENTRIES_AT_ONCE = 2**27  # of one array of a local phase: 1 GiB in float64


@dataclass
class TorchState:
    """The network as W = W0 + C X, and its pre-activations on the data."""

    W0: FloatArray  # (m, d), never written to unless a neuron is erased
    C: Tensor  # (m, n)
    Z: Tensor  # (m, n), W X'
    a: Tensor  # (m, o)


class TorchEngine:
    """PyTorch in float64 or float32, for everything that a problem can ask for.

    Raises
    ------
    ValueError
        If there is no such device.
    """

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1, device: Device = "cpu") -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"train: device 'cuda' is not available, torch {torch.__version__} finds no CUDA device")
        self._device = torch.device(device)
        self._dtype = np.dtype(dtype)
        n, d = problem.X.shape
        self._X = self._on_device(problem.X)
        self._gram = self._on_device(problem.X @ problem.X.T) if n <= 2 * d else None
        self._Y = self._exactly(problem.y.reshape(n, -1))  # (n, o)
        self._sample_weight = problem.sample_weight
        s = np.ones(n) if problem.sample_weight is None else problem.sample_weight
        self._s = self._exactly(s[:, np.newaxis])
        self._signs = problem.signs
        self._xi = problem.selection_prob
        self._residual, self._deviance = _LOSSES[problem.loss]
        self._learn_signs = problem.learn_signs

    def start(self, weights: FloatArray) -> TorchState:
        """Compute Z; C is zero. Read-only weights of the right dtype are not copied."""
        W0 = np.asarray(weights, dtype=self._dtype)
        if W0.flags.writeable and np.may_share_memory(W0, weights):
            W0 = W0.copy()
        Z = self._on_device(W0) @ self._X.T
        return TorchState(W0, torch.zeros_like(Z), Z, self._on_device(self._signs.reshape(len(W0), -1)))

    def round(
        self,
        state: TorchState,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[TorchState, RoundRecord]:
        """Run one round; the state is updated in place."""
        rate = -step_size / np.sqrt(len(state.a))
        chosen = [np.flatnonzero(mask) for mask in masks]
        largest = max(map(len, chosen))
        at_once = max(1, _ENTRIES_AT_ONCE // max(1, largest * len(self._X)))
        errors: list[Tensor] = []
        C_total, a_total = torch.zeros_like(state.C), torch.zeros_like(state.a)
        for first in range(0, len(masks), at_once):
            group = range(first, min(first + at_once, len(masks)))
            seen = self._row_weights(rows, group, local_steps)
            numbers, absent = self._padded([chosen[l] for l in group], largest)
            a_before = state.a[numbers].masked_fill_(absent, 0)
            Z = state.Z[numbers].masked_fill_(absent, 0)
            C, a, group_errors = self._local_steps(Z, a_before, rate, local_steps, seen)
            errors.append(group_errors)
            a -= a_before
            for i, l in enumerate(group):  # one after the other: the order of the sums decides bits
                count = len(chosen[l])
                C_total.index_add_(0, numbers[i, :count], C[i, :count])
                a_total.index_add_(0, numbers[i, :count], a[i, :count])
        self._aggregate(state, masks, C_total, a_total, rate, unselected)
        return state, RoundRecord(torch.cat(errors, dim=1).cpu().numpy(), self.full_error(state))

    def weights(self, state: TorchState) -> FloatArray:
        """Return W = W0 + C X."""
        return state.W0 + (state.C @ self._X).cpu().numpy()

    def signs(self, state: TorchState) -> FloatArray:
        """Return a copy of a."""
        return _copied(state.a).reshape(self._signs.shape)

    def full_error(self, state: TorchState) -> float:
        """Return |y - u|^2, or twice another loss of u."""
        f = self._output(state.Z.clamp(min=0)[None], state.a[None])
        return float(self._errors(self._xi * f))

    def snapshot(self, state: TorchState) -> dict[str, np.ndarray]:
        """Return W0, C, Z and a: Z has rounding errors of its own, so it cannot be computed again."""
        return {"W0": state.W0, "C": _copied(state.C), "Z": _copied(state.Z), "a": _copied(state.a)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> TorchState:
        """Return the state that `snapshot` described."""
        return TorchState(arrays["W0"], *(self._on_device(arrays[name]) for name in "CZa"))

    def _local_steps(
        self, Z: Tensor, a: Tensor, rate: float, local_steps: int, seen: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run tau steps of all subnetworks of a group.

        Parameters
        ----------
        Z : Tensor, shape (p, M, n)
            Overwritten.
        a : Tensor, shape (p, M, o)
        rate : float
            -eta / sqrt m.
        seen : Tensor, shape (p, tau, n), optional
            The factor of each row's residual in each step.

        Returns
        -------
        C : Tensor, shape (p, M, n)
            The sum of S over the steps.
        a : Tensor, shape (p, M, o)
            After the last step.
        errors : Tensor, shape (tau + 1, p)
            Before the first step and after each.
        """
        C, a = torch.zeros_like(Z), a.clone()
        errors: list[Tensor] = []
        for t in range(local_steps):
            relu = Z.clamp(min=0)
            f = self._output(relu, a)
            errors.append(self._errors(f))
            residual = self._residual(f, self._Y)  # (p, n, o)
            if seen is not None:
                residual *= seen[:, t, :, None]
            residual = residual.to(Z.dtype)
            S = torch.bmm(a, residual.mT)
            S *= Z >= 0
            C += S
            self._move(Z, S, rate)
            if self._learn_signs:
                a += rate * torch.bmm(relu, residual)
        errors.append(self._errors(self._output(Z.clamp_(min=0), a)))
        return C, a, torch.stack(errors)

    def _move(self, Z: Tensor, S: Tensor, rate: float) -> None:
        """Z += rate S X X' in place."""
        flat = Z.view(-1, Z.shape[-1])
        S = S.view(flat.shape)
        if self._gram is not None:
            flat.addmm_(S, self._gram, alpha=rate)
        else:
            flat.addmm_(S @ self._X, self._X.T, alpha=rate)

    def _output(self, relu: Tensor, a: Tensor) -> Tensor:
        """Return (1 / sqrt m) sum_r a_r relu(z_r) in float64, shape (p, n, o)."""
        return torch.bmm(relu.mT, a).double() / np.sqrt(len(self._signs))

    def _errors(self, f: Tensor) -> Tensor:
        """Return the error of each subnetwork, shape (p,)."""
        return (self._s * self._deviance(f, self._Y)).sum(dim=(1, 2))

    def _aggregate(
        self, state: TorchState, masks: BoolArray, C: Tensor, a: Tensor, rate: float, unselected: Unselected
    ) -> None:
        """w_r += eta_r sum_l Delta^l_r, with the sums C and a; zeros leave the bits of a neuron as they are."""
        step = aggregation_step(masks)
        eta = self._on_device(step[:, np.newaxis])
        C *= eta
        self._move(state.Z, C, rate)
        state.C.add_(C, alpha=rate)
        if self._learn_signs:
            state.a += eta * a
        if unselected == "zero":
            state.W0 = np.where(step[:, np.newaxis] == 0, self._dtype.type(0), state.W0)
            for array in (state.C, state.Z, *([state.a] if self._learn_signs else [])):
                array.masked_fill_(eta == 0, 0)

    def _row_weights(self, rows: LocalRows | None, group: range, local_steps: int) -> Tensor | None:
        if rows is None and self._sample_weight is None:
            return None
        n = len(self._X)
        return self._exactly(np.stack([row_weights(rows, l, local_steps, n, self._sample_weight) for l in group]))

    def _padded(self, chosen: list[IntArray], largest: int) -> tuple[Tensor, Tensor]:
        """Return numbers of neurons, shape (p, M), and which of them are padding, (p, M, 1)."""
        numbers = np.zeros((len(chosen), largest), dtype=np.int64)
        absent = np.ones((len(chosen), largest, 1), dtype=bool)
        for i, neurons in enumerate(chosen):
            numbers[i, : len(neurons)] = neurons
            absent[i, : len(neurons)] = False
        return torch.tensor(numbers, device=self._device), torch.tensor(absent, device=self._device)

    def _on_device(self, array: FloatArray) -> Tensor:
        """Return a copy in the engine's dtype."""
        return torch.tensor(np.ascontiguousarray(array, dtype=self._dtype), device=self._device)

    def _exactly(self, array: FloatArray) -> Tensor:
        """Return a copy in float64, the dtype of errors and residuals."""
        return torch.tensor(array, dtype=torch.float64, device=self._device)


def _copied(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy().copy()


def _squared_deviance(f: Tensor, y: Tensor) -> Tensor:
    return (y - f) ** 2


def _logistic_residual(f: Tensor, y: Tensor) -> Tensor:
    return 0.5 * (1 + torch.tanh(0.5 * f)) - y


def _logistic_deviance(f: Tensor, y: Tensor) -> Tensor:
    return 2 * (torch.logaddexp(torch.zeros_like(f), f) - y * f)


_LOSSES: dict[LossName, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "squared": (torch.sub, _squared_deviance),
    "logistic": (_logistic_residual, _logistic_deviance),
}
"""What `core.losses` says of each loss, for tensors: dL/df, and twice the loss for each entry."""
