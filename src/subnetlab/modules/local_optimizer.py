"""The local optimiser and its schedule: made by the user's functions, and tried before any work begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from .errors import first_line, in_our_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..core.scheme import TrainingScheme

OptimizerFactory: TypeAlias = "Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer]"

_OWNER = "ModuleTraining"
_TRIED = 20_000  # steps of a schedule that are tried before work


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
        self._parameters, self._device = tiny_copies(parameters, device), device
        if not any(parameter.requires_grad for parameter in parameters):
            raise ValueError(f"{_OWNER}: some parameter of the network must require gradients, got none")
        try_optimizer("optimizer", self.stand_in(), "state must be 'reset' with {}" if travels else None, sparse=True)

    def __call__(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser of these parameters."""
        return made_of("optimizer", self._make, parameters)

    def __repr__(self) -> str:
        return " ".join(repr(self.stand_in()).split())

    def stand_in(self) -> torch.optim.Optimizer:
        """Return an optimiser with the settings of every other, but of parameters that nobody uses."""
        return made_of("optimizer", self._make, tiny_copies(self._parameters, self._device))


def made_of(argument: str, make: OptimizerFactory, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return an optimiser that the user's function makes of these parameters and no others.

    Raises
    ------
    TypeError, ValueError
        If it is no such function.
    """
    if not callable(make):
        raise TypeError(
            f"{_OWNER}: {argument} must be a function of parameters, such as lambda params: torch.optim.AdamW(params), "
            f"got {type(make).__name__}"
        )
    given = list(parameters)
    with in_our_words(f"{_OWNER}: {argument} must make an optimizer of the parameters that it is given, but fails"):
        made = make(given)
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"{_OWNER}: {argument} must return a torch optimizer, got {type(made).__name__}")
    own = {id(parameter) for parameter in given}
    if any(id(parameter) not in own for group in made.param_groups for parameter in group["params"]):
        raise ValueError(
            f"{_OWNER}: {argument} must make an optimiser of the parameters that it is given, got others: those of a "
            "subnetwork are not the network's"
        )
    return made


class Schedule:
    """The settings of the local optimiser at each step of training, from any torch scheduler.

    A scheduler of torch belongs to one optimiser and counts its steps. Here subnetworks come and go, and all of them
    follow one clock: step s = k tau + t. So the scheduler drives a stand-in, and what it sets there (learning rate,
    momentum, betas) is copied into the optimiser that takes step s.

    Parameters
    ----------
    make : callable, optional
        Makes the scheduler from an optimiser; nothing is scheduled if None.
    optimizer : LocalOptimizer
    rounds, local_steps : int
        K and tau.

    Raises
    ------
    ValueError
        If it needs more than to be told of each step, or ends before the K tau steps are done.
    """

    def __init__(
        self,
        make: Callable[[torch.optim.Optimizer], Any] | None,
        optimizer: LocalOptimizer,
        rounds: int,
        local_steps: int,
    ) -> None:
        self._make, self._optimizer, self._local_steps = make, optimizer, local_steps
        if make is None:
            return
        self._begin()
        steps = rounds * local_steps
        try:
            self._settings(min(steps, _TRIED) - 1)
        except Exception as error:  # whatever the scheduler raises
            kind = type(self._scheduler).__name__
            raise ValueError(
                f"{_OWNER}: schedule must last for {steps} steps, told nothing but their number, "
                f"which {kind} does not ({error})"
            ) from error

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Give the optimiser the settings of step ``step``; those of one round may come in any order."""
        if self._make is None:
            return
        groups, theirs = optimizer.param_groups, self._settings(step)
        if len(groups) != len(theirs):
            raise ValueError(
                f"{_OWNER}: optimizer must make as many groups of parameters for every subnetwork where there is a "
                f"schedule, got {len(groups)} and {len(theirs)}"
            )
        for group, scheduled in zip(groups, theirs, strict=True):
            group.update(scheduled)

    def describe(self) -> str | None:
        """Return the kind of scheduler."""
        return None if self._make is None else type(self._scheduler).__name__

    def _begin(self) -> None:
        assert self._make is not None
        self._stand_in = self._optimizer.stand_in()  # without gradients its steps only count
        self._scheduler = _scheduler(self._make, self._stand_in)
        self._step = 0
        self._known = {0: _settings_of(self._stand_in)}  # of the last tau steps, since every subnetwork takes these

    def _settings(self, step: int) -> list[dict[str, Any]]:
        if step < self._step and step not in self._known:
            self._begin()
        while step not in self._known:
            self._stand_in.step()
            self._scheduler.step()
            self._step += 1
            self._known[self._step] = _settings_of(self._stand_in)
            self._known.pop(self._step - self._local_steps, None)
        return self._known[step]


def _scheduler(make: Any, optimizer: torch.optim.Optimizer) -> Any:
    """Return the scheduler of an optimiser.

    Raises
    ------
    TypeError, ValueError
        If the user gave a scheduler or its class in the place of a function that makes one.
    """
    wanted = (
        f"{_OWNER}: schedule must be a function of an optimiser, such as "
        "lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, step_size=100)"
    )
    if not callable(make):
        raise TypeError(f"{wanted}, got {type(make).__name__}")
    with in_our_words(f"{wanted}, got one that fails"):  # as a class that needs more than an optimiser
        made = make(optimizer)
    if not hasattr(made, "step"):
        raise TypeError(f"{wanted}, got one that returns {type(made).__name__}")
    return made


def _settings_of(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return a copy of the settings of each group."""
    return [
        {
            key: value.clone() if isinstance(value, torch.Tensor) else value
            for key, value in group.items()
            if key != "params"
        }
        for group in optimizer.param_groups
    ]


def tiny_copies(parameters: Iterable[torch.Tensor], device: torch.device) -> list[torch.nn.Parameter]:
    """Return parameters of zeros with at most two entries along each dimension."""
    return [
        torch.nn.Parameter(
            torch.zeros([min(2, length) for length in parameter.shape], dtype=parameter.dtype, device=device),
            requires_grad=parameter.requires_grad,
        )
        for parameter in parameters
    ]


def try_optimizer(argument: str, optimizer: torch.optim.Optimizer, rule: str | None, *, sparse: bool = False) -> None:
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
    sparse : bool, default False
        Whether gradients may be sparse, so that only those of the network tell whether the optimiser takes them.

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
    except Exception as error:  # whatever the optimiser raises
        if isinstance(error, RuntimeError) and sparse:  # it may refuse dense gradients alone, as SparseAdam does
            return
        raise ValueError(
            f"{_OWNER}: {argument} must step by gradients alone, which {kind} cannot ({first_line(error)})"
        ) from error
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
    return optimizer
