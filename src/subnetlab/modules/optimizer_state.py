"""The state of the local optimisers by unit: momentum and moments that travel with the entries they belong to.

A state tensor of a parameter's shape (momentum, Adam's moments) carries the parameter's units, so it is cut, averaged
over its holders and kept like the entries themselves. Numbers (step counters) take the largest value returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from .entries import entry_of, state_name

if TYPE_CHECKING:
    from collections.abc import Mapping

PlainNumber: TypeAlias = tuple[float, bool]  # a number that JSON can hold, and whether it was a tensor


class TravellingState:
    """The optimiser state at home between rounds; empty until the first round has been aggregated.

    Attributes
    ----------
    tensors : dict from name to tensor
        Of the parameter's shape; a name is that of `subnetlab.modules.entries.state_name`.
    numbers : dict from name to number or tensor without dimensions
    """

    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.numbers: dict[str, Any] = {}

    def load(
        self, optimizer: torch.optim.Optimizer, names: Mapping[int, str], slices: Mapping[str, torch.Tensor]
    ) -> None:
        """Give a subnetwork's optimiser its state.

        Parameters
        ----------
        optimizer : Optimizer
        names : mapping from the id of a parameter to its name
        slices : mapping from name to tensor
            What the subnetwork's module stores, of entries and of state.
        """
        known = set(names.values())
        numbers = {n: v.clone() if isinstance(v, torch.Tensor) else v for n, v in self.numbers.items()}
        state: dict[str, dict[str, Any]] = {}
        for name, value in {**{n: slices[n].clone() for n in self.tensors}, **numbers}.items():
            parameter = entry_of(name, known)
            state.setdefault(parameter, {})[name.removeprefix(parameter + "/")] = value
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if names[id(parameter)] in state:
                    optimizer.state[parameter] = state[names[id(parameter)]]

    def plain_numbers(self) -> dict[str, PlainNumber]:
        """Return the numbers as JSON can hold them."""
        return {name: _plain(value) for name, value in self.numbers.items()}

    def take_up(self, numbers: Mapping[str, PlainNumber]) -> None:
        """Replace numbers by those that a round, or a file, returned."""
        self.numbers |= {
            name: torch.tensor(value) if was_tensor else value for name, (value, was_tensor) in numbers.items()
        }


def returned_state(
    optimizer: torch.optim.Optimizer, names: Mapping[int, str]
) -> tuple[dict[str, torch.Tensor], dict[str, PlainNumber]]:
    """Return the tensors of a subnetwork's optimiser, by entry, and its numbers as JSON can hold them.

    Parameters that ``names`` does not name are left out.
    """
    tensors: dict[str, torch.Tensor] = {}
    numbers: dict[str, PlainNumber] = {}
    for parameter, state in optimizer.state.items():
        for key, value in state.items() if id(parameter) in names else ():
            name = state_name(names[id(parameter)], key)
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape and key != "step":
                tensors[name] = value
            elif isinstance(value, int | float) or (isinstance(value, torch.Tensor) and value.numel() == 1):
                numbers[name] = _plain(value)
    return tensors, numbers


def _plain(value: Any) -> PlainNumber:
    return (value.item(), True) if isinstance(value, torch.Tensor) else (value, False)
