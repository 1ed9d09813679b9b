"""The local optimiser: made by the user's function for every subnetwork, and tried once before any work begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..core.scheme import TrainingScheme

OptimizerFactory: TypeAlias = "Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer]"

_OWNER = "ModuleTraining"


class LocalOptimizer:
    """Makes the optimisers of subnetworks, and stand-ins that are asked instead of them.

    A stand-in belongs to tiny parameters, as many and with as many dimensions as the network's, so that a function
    that sorts parameters into groups sorts these alike.

    Parameters
    ----------
    make : callable, optional
        Makes an optimiser from parameters; without it the scheme's ``step_size`` is that of plain SGD.
    scheme : TrainingScheme
    parameters : sequence of Parameter
        The whole network's.
    device : torch.device
    travels : bool
        Whether the state moves with the entries between rounds.

    Raises
    ------
    TypeError, ValueError
        If there is no optimiser, or one that does not step by gradients alone, or whose state cannot travel.
    """

    def __init__(
        self,
        make: OptimizerFactory | None,
        scheme: TrainingScheme,
        parameters: Sequence[torch.nn.Parameter],
        device: torch.device,
        *,
        travels: bool,
    ) -> None:
        self._make = _factory(scheme, make)
        self._parameters, self._device = parameters, device
        if not any(parameter.requires_grad for parameter in parameters):
            raise ValueError(f"{_OWNER}: some parameter of the network must require gradients, got none")
        try_optimizer("optimizer", self.stand_in(), "state must be 'reset' with {}" if travels else None)

    def __call__(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser of these parameters."""
        return self._make(parameters)

    def __repr__(self) -> str:
        return " ".join(repr(self.stand_in()).split())

    def stand_in(self) -> torch.optim.Optimizer:
        """Return an optimiser with the settings of every other, but of parameters that nobody uses."""
        made = self._make(tiny_copies(self._parameters, self._device))
        if not isinstance(made, torch.optim.Optimizer):
            raise TypeError(f"{_OWNER}: optimizer must return a torch optimizer, got {type(made).__name__}")
        return made


def tiny_copies(parameters: Iterable[torch.Tensor], device: torch.device) -> list[torch.nn.Parameter]:
    """Return parameters of zeros with at most two entries along each dimension."""
    return [
        torch.nn.Parameter(
            torch.zeros([min(2, length) for length in parameter.shape], dtype=parameter.dtype, device=device),
            requires_grad=parameter.requires_grad,
        )
        for parameter in parameters
    ]


def try_optimizer(argument: str, optimizer: torch.optim.Optimizer, rule: str | None) -> None:
    """Take one step with zero gradients, and look at the state that the optimiser keeps.

    Parameters
    ----------
    argument : str
        The name for messages.
    optimizer : Optimizer
        Of parameters that nobody uses.
    rule : str, optional
        What the message says, with {} for the kind of optimiser, if its state is not kept by entry; None where that
        does not matter.

    Raises
    ------
    ValueError
        If it needs more than gradients, as LBFGS does, or if its state is neither of its parameters' shapes nor
        numbers, as Adafactor's sums over rows and columns are.
    """
    kind = type(optimizer).__name__
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    try:
        with torch.random.fork_rng(devices=[]):
            optimizer.step()
    except TypeError as error:
        raise ValueError(f"{_OWNER}: {argument} must step by gradients alone, which {kind} cannot ({error})") from error
    except RuntimeError:  # it refuses these gradients, SparseAdam dense ones: those of the network decide
        return
    if rule is None:
        return
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if not _by_entry(value, parameter):
                raise ValueError(f"{_OWNER}: {rule.format(kind)}: its {key!r} is not kept by entry")


def _by_entry(value: Any, parameter: torch.Tensor) -> bool:
    if isinstance(value, torch.Tensor):
        return value.shape == parameter.shape or value.numel() == 1
    return value is None or isinstance(value, int | float)


def _factory(scheme: TrainingScheme, optimizer: OptimizerFactory | None) -> OptimizerFactory:
    if optimizer is None:
        if isinstance(scheme.step_size, str):
            raise ValueError(
                f"{_OWNER}: optimizer must be given, or the scheme's step_size as a number for plain SGD, "
                f"got step_size={scheme.step_size!r}"
            )
        return lambda params: torch.optim.SGD(params, lr=float(scheme.step_size))
    if not isinstance(scheme.step_size, str):
        raise ValueError(
            f"{_OWNER}: step_size must be left at 'auto' where an optimizer is given, got {scheme.step_size:g}"
        )
    if scheme.step_size == "theory":
        raise ValueError(f"{_OWNER}: step_size must not be 'theory': no theorem covers modules")
    if not callable(optimizer):
        raise TypeError(
            f"{_OWNER}: optimizer must be a function of parameters, such as lambda params: torch.optim.AdamW(params), "
            f"got {type(optimizer).__name__}"
        )
    return optimizer
