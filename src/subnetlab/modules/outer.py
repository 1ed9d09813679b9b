"""The outer optimiser: what is done with the mean update of a round (DiLoCo's, or plain addition)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .entries import entry_of, state_name
from .fidelity import counts
from .local_optimizer import made_of, tiny_copies, try_optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..core.scheme import OuterSGD
    from .entries import RoundSum

_SINGLE = 4  # bytes of a number in single precision


class OuterOptimizer:
    """Takes theta_k to theta_{k+1}, handing the mean update to an optimiser as a pseudo-gradient with opposite sign.

    Entries that nobody held in the round keep their bits, and so does the optimiser's state at these entries: neither
    momentum nor weight decay moves them.

    Parameters
    ----------
    make : callable, optional
        Makes the optimiser from parameters; ``settings`` are used if None.
    settings : OuterSGD, optional
        Of torch's SGD. If both are None, the mean update is added as it is.
    parameters : mapping from name to tensor
        The network's parameters, at home; they are changed in place.
    apart : bool, default False
        Whether the rows of a parameter have several homes.

    Raises
    ------
    TypeError, ValueError
        If there is no such optimiser, or its state is not kept by entry, or its bits would depend on where rows are.
    """

    def __init__(
        self,
        make: Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer] | None,
        settings: OuterSGD | None,
        parameters: Mapping[str, torch.Tensor],
        *,
        apart: bool = False,
    ) -> None:
        short = any(tensor.element_size() < _SINGLE for tensor in parameters.values())
        if apart and short and (make is not None or settings is not None):
            raise ValueError(
                "ModuleTraining: outer must be None for parameters of half precision on several workers: its bits "
                "would depend on which rows a worker is home to"
            )
        self._whole = dict(parameters)
        trainable = {name: tensor for name, tensor in parameters.items() if not counts(tensor)}
        self._leaves = {name: torch.nn.Parameter(tensor) for name, tensor in trainable.items()}  # shared storage
        leaves = list(self._leaves.values())
        self.optimizer: torch.optim.Optimizer | None = None
        if make is not None:
            tiny = tiny_copies(leaves, leaves[0].device) if leaves else []
            try_optimizer("outer", made_of("outer", make, tiny), "outer must keep its state by entry, got {}")
            self.optimizer = made_of("outer", make, leaves)
        elif settings is not None:
            self.optimizer = torch.optim.SGD(
                leaves,
                lr=settings.step_size,
                momentum=settings.momentum,
                nesterov=settings.nesterov and settings.momentum > 0,
            )

    def apply(self, sums: RoundSum) -> None:
        """Aggregate a round in place; buffers always take their mean update."""
        if self.optimizer is None:
            sums.apply()
            return
        means, anybody = sums.mean_updates()
        before = {name: tensor.clone() for name, tensor in self._whole.items()}
        for name, leaf in self._leaves.items():
            leaf.grad = -means[name]
        old_state = {name: self._state_of(leaf) for name, leaf in self._leaves.items()}
        self.optimizer.step()
        with torch.no_grad():
            for name, leaf in self._leaves.items():
                where = anybody[name]
                if where is not None:
                    leaf.copy_(torch.where(where, leaf, before[name]))
                    for key, value in self._state_of(leaf).items():
                        kept = old_state[name].get(key, torch.zeros_like(value))
                        self.optimizer.state[leaf][key] = torch.where(where, value, kept)
                leaf.grad = None
        for name, mean in means.items():
            if name not in self._leaves:  # a buffer
                sums.whole[name].add_(mean)
        sums.apply_counters()

    def describe(self) -> str | None:
        """Return the optimiser with its settings, as far as it prints them."""
        return None if self.optimizer is None else " ".join(repr(self.optimizer).split())

    def tensors(self) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return the optimiser's state for a checkpoint: what lives here of the entries' state, and numbers."""
        parts: dict[str, torch.Tensor] = {}
        numbers: dict[str, torch.Tensor] = {}
        if self.optimizer is not None:
            for name, leaf in self._leaves.items():
                for key, value in self.optimizer.state.get(leaf, {}).items():
                    if value is not None:
                        by_entry = isinstance(value, torch.Tensor) and value.shape == leaf.shape and key != "step"
                        kind = parts if by_entry else numbers
                        kind[state_name(name, key)] = torch.as_tensor(value)
        return parts, numbers

    def restore(self, tensors: Mapping[str, torch.Tensor], part: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Take up the state that `tensors` returned; ``part`` makes parts of whole tensors."""
        if self.optimizer is not None:
            self.optimizer.state.clear()
            for joined, value in tensors.items():
                leaf, key = self._leaves[entry_of(joined, self._leaves)], joined.rsplit("/", 1)[1]
                here = part(value)
                kept = here if here.shape == leaf.shape and key != "step" else value
                self.optimizer.state[leaf][key] = kept.to(leaf.device, copy=True)

    def _state_of(self, leaf: torch.nn.Parameter) -> dict[str, torch.Tensor]:
        assert self.optimizer is not None
        state = self.optimizer.state.get(leaf, {})
        return {
            key: value.clone()
            for key, value in state.items()
            if isinstance(value, torch.Tensor) and value.shape == leaf.shape and key != "step"
        }
