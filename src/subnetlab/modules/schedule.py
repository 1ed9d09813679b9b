"""Learning-rate schedules that count local steps, the same for every subnetwork."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Schedule:
    """The settings of the local optimiser at each step of training, from any torch scheduler.

    A scheduler of torch belongs to one optimiser and counts its steps. Here subnetworks come and go, and all of them
    follow one clock: step s = k tau + t. So the scheduler drives a stand-in with one parameter, and what it sets there
    (learning rate, momentum, betas) is copied into the optimiser that takes step s.

    Parameters
    ----------
    make : callable, optional
        Makes the scheduler from an optimiser; nothing is scheduled if None.
    optimizer : callable
        Makes the optimiser from parameters.
    """

    def __init__(
        self,
        make: Callable[[torch.optim.Optimizer], Any] | None,
        optimizer: Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer],
    ) -> None:
        self._make, self._make_optimizer = make, optimizer
        self._restart()

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Give the optimiser the settings of step ``step``; steps may come in any order."""
        if self._make is None:
            return
        if step < self._step:
            self._restart()
        while self._step < step:
            self._stand_in.step()
            self._scheduler.step()
            self._step += 1
        theirs = self._stand_in.param_groups
        for i, group in enumerate(optimizer.param_groups):
            scheduled = theirs[min(i, len(theirs) - 1)]
            group.update({key: value for key, value in scheduled.items() if key != "params"})

    def describe(self) -> str | None:
        """Return the kind of scheduler."""
        return None if self._make is None else type(self._scheduler).__name__

    def _restart(self) -> None:
        self._step = 0
        if self._make is not None:
            parameter = torch.nn.Parameter(torch.zeros(1))
            parameter.grad = torch.zeros(1)
            self._stand_in = self._make_optimizer([parameter])
            self._scheduler = self._make(self._stand_in)
