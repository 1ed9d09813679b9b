"""The state of the local optimisers by unit: momentum and moments that travel with the entries they belong to.

A state tensor of a parameter's shape (momentum, Adam's moments) carries the parameter's units, so it is cut, averaged
over its holders and kept like the entries themselves. Numbers (step counters) take the largest value returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..core.units import Units
from .entries import RoundSum, take

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import BoolArray
    from .entries import Kept


class TravellingState:
    """The optimiser state at home between rounds; empty until the first round has been aggregated.

    Attributes
    ----------
    tensors : dict from (key, parameter) to tensor
        Of the parameter's shape.
    numbers : dict from (key, parameter) to number or tensor without dimensions
    """

    def __init__(self) -> None:
        self.tensors: dict[tuple[str, str], torch.Tensor] = {}
        self.numbers: dict[tuple[str, str], Any] = {}

    def load(self, optimizer: torch.optim.Optimizer, names: Mapping[int, str], kept: Kept) -> None:
        """Give a subnetwork's optimiser its slice of the state.

        Parameters
        ----------
        optimizer : Optimizer
        names : mapping from the id of a parameter to its name
        kept : Kept
        """
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                name = names[id(parameter)]
                own = {key: whole for (key, of), whole in self.tensors.items() if of == name}
                state: dict[str, Any] = {key: take(whole, kept.stored[name]).clone() for key, whole in own.items()}
                for (key, of), number in self.numbers.items():
                    if of == name:
                        state[key] = number.clone() if isinstance(number, torch.Tensor) else number
                if state:
                    optimizer.state[parameter] = state

    def to_plain(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Return tensors and numbers under one name each, for a file."""
        numbers = {_joined(key): [float(value), isinstance(value, torch.Tensor)] for key, value in self.numbers.items()}
        return {_joined(key): tensor for key, tensor in self.tensors.items()}, numbers

    def from_plain(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up what `to_plain` returned."""
        self.tensors = {_parted(name): tensor for name, tensor in tensors.items()}
        self.numbers = {
            _parted(name): torch.tensor(value) if is_tensor else value for name, (value, is_tensor) in numbers.items()
        }


class StateSum:
    """The sum of one round's optimiser states.

    Parameters
    ----------
    home : TravellingState
    units : Units
    whole : mapping from name to tensor
        The parameters, for the shapes.
    masks : mapping from group to ndarray of bool, shape (p, m_g)
    """

    def __init__(
        self,
        home: TravellingState,
        units: Units,
        whole: Mapping[str, torch.Tensor],
        masks: Mapping[str, BoolArray],
    ) -> None:
        self._home, self._units, self._whole, self._masks = home, units, whole, masks
        self._sum: RoundSum | None = None
        self._tensors: dict[tuple[str, str], torch.Tensor] = {}
        self._numbers: dict[tuple[str, str], Any] = {}

    def add(self, optimizer: torch.optim.Optimizer, names: Mapping[int, str], kept: Kept) -> None:
        """Add the state that the next subnetwork returns."""
        returned: dict[tuple[str, str], torch.Tensor] = {}
        for parameter, state in optimizer.state.items():
            name = names[id(parameter)]
            for key, value in state.items():
                if isinstance(value, torch.Tensor) and value.shape == parameter.shape and key != "step":
                    returned[key, name] = kept.own(name, value)
                elif isinstance(value, int | float) or (isinstance(value, torch.Tensor) and value.numel() == 1):
                    self._numbers[key, name] = _larger(self._numbers.get((key, name)), value)
        if self._sum is None:
            self._sum = self._begin(returned)
        held = {_joined(key): kept.held[key[1]] for key in self._tensors}
        given = {_joined(key): take(whole, kept.held[key[1]]) for key, whole in self._tensors.items()}
        self._sum.add(held, given, given | {_joined(key): value for key, value in returned.items()})

    def apply(self) -> None:
        """Aggregate: the mean over the holders of each entry, and the largest of each number."""
        if self._sum is not None:
            self._sum.apply()
        self._home.tensors.update(self._tensors)
        self._home.numbers.update(self._numbers)

    def _begin(self, returned: Mapping[tuple[str, str], torch.Tensor]) -> RoundSum:
        """Make room for what the optimiser keeps: zero where no subnetwork has been."""
        self._tensors = dict(self._home.tensors)
        for key, value in returned.items():
            if key not in self._tensors:
                self._tensors[key] = torch.zeros_like(self._whole[key[1]], dtype=value.dtype)
        axes = {_joined(key): self._units.axes[key[1]] for key in self._tensors}
        whole = {_joined(key): tensor for key, tensor in self._tensors.items()}
        return RoundSum(Units(self._units.groups, axes), whole, self._masks)


def _joined(key: tuple[str, str]) -> str:
    return f"{key[1]}/{key[0]}"


def _parted(joined: str) -> tuple[str, str]:
    name, key = joined.rsplit("/", 1)
    return key, name


def _larger(known: Any, value: Any) -> Any:
    value = value.detach().clone() if isinstance(value, torch.Tensor) else value
    return value if known is None or bool(value > known) else known
