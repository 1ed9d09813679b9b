"""One round of Algorithm 1: its subnetworks one after another, and their aggregation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .entries import RoundSum, tensors_of
from .optimizer_state import StateSum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.arrays import FloatArray
    from .subnet import Subnet
    from .training import ModuleTraining


class Round:
    """One round: iterate over its subnetworks, each of which starts from the entries of theta_k that it holds."""

    def __init__(self, training: ModuleTraining, index: int) -> None:
        self.index = index
        self.losses: list[list[torch.Tensor]] = []
        self._training = training
        self._masks = training.masks(index)
        self._next = 0
        self._finished = False
        home = training.entries
        self._sum = RoundSum(training.cut.units, home, self._masks)
        state = training.travelling_state
        self._state_sum = None if state is None else StateSum(state, training.cut.units, home, self._masks)

    def __repr__(self) -> str:
        return f"Round(index={self.index}, subnetworks={self._training.scheme.masks.n_subnetworks})"

    def __iter__(self) -> Iterator[Subnet]:
        """Yield the subnetworks l = 0, ..., p - 1; each one's update is added up when the next is asked for."""
        for l in range(self._next, self._training.scheme.masks.n_subnetworks):
            subnet, kept, names = self._training.subnetwork(self.index, l, self._masks)
            yield subnet
            subnet.returned = True
            returned = {name: kept.own(name, tensor) for name, tensor in tensors_of(subnet.module).items()}
            self._sum.add(kept.held, kept.given, returned)
            if self._state_sum is not None:
                self._state_sum.add(subnet.optimizer, names, kept)
            self.losses.append(subnet.losses)
            self._next = l + 1

    def finish(self) -> None:
        """Aggregate (lines 11 to 13).

        Raises
        ------
        RuntimeError
            If some subnetwork has not been trained; the network is as it was before the round.
        """
        p = self._training.scheme.masks.n_subnetworks
        if self._finished:
            return
        if self._next != p:
            raise RuntimeError(
                f"ModuleTraining: all {p} subnetworks of round {self.index} must be iterated over, got {self._next}"
            )
        self._training.outer.apply(self._sum)
        if self._state_sum is not None:
            self._state_sum.apply()
        self._finished = True
        self._training.rounds_done += 1

    def is_finite(self) -> bool:
        """Return whether all entries will be finite after this round that were finite before it."""
        return self._sum.is_finite()

    def loss_array(self) -> FloatArray:
        """Return the losses of the local steps, shape (tau, p); needs the same number of steps of all subnetworks."""
        return torch.stack([torch.stack(losses) for losses in self.losses], dim=1).double().cpu().numpy()
