"""One round of Algorithm 1: its subnetworks one after another, and their aggregation."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .entries import RoundSum, changes, entry_of, tensors_of
from .optimizer_state import returned_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..core.arrays import FloatArray
    from .entries import Place
    from .optimizer_state import PlainNumber
    from .subnet import Subnet
    from .training import ModuleTraining


class Round:
    """One round: iterate over its subnetworks, each of which starts from the entries of theta_k that it holds.

    On several workers each iterates over its own subnetworks; whatever else is asked of a round is asked by all of them
    together.
    """

    def __init__(self, training: ModuleTraining, index: int) -> None:
        self.index = index
        self.losses: list[list[torch.Tensor]] = []
        self.reports: list[dict[str, Any]] = []  # of the workers, once the updates are at home
        self._everybodys: list[list[float]] = []  # losses
        self._training = training
        self._masks = masks = training.masks(index)
        self._finished = self._collected = False
        state = training.travelling_state
        self._home = {**training.home, **({} if state is None else state.tensors)}
        p = training.scheme.masks.n_subnetworks
        self._kept = lru_cache(maxsize=1)(lambda l: training.kept(masks, l))
        self._traffic = training.workers.traffic(p, self._home, self._kept, self._receive)
        self._next = self._traffic.subnetworks.start
        self._numbers: dict[str, PlainNumber] = {}

    def __repr__(self) -> str:
        return f"Round(index={self.index}, subnetworks={self._training.scheme.masks.n_subnetworks})"

    def __iter__(self) -> Iterator[Subnet]:
        """Yield the subnetworks that are trained here; each one's update is taken when the next is asked for."""
        for l in self._traffic.subnetworks[self._next - self._traffic.subnetworks.start :]:
            slices = self._traffic.slices(l)
            subnet, names = self._training.subnetwork(self.index, l, self._masks, self._kept(l), slices)
            subnet.at_work(True)
            yield subnet
            subnet.at_work(False)
            subnet.returned = True
            self._traffic.give(l, self._updates(l, subnet, names, slices))
            subnet.optimizer.zero_grad(set_to_none=True)  # the module is kept for the next one
            self.losses.append(subnet.losses)
            self._next = l + 1

    @cached_property
    def _sum(self) -> RoundSum:
        """The sum of the updates: as large as all that lives here, so it is made when the first of them comes."""
        training = self._training
        return RoundSum(training.cut.units, self._home, self._masks, training.workers.rows)

    def _updates(
        self, l: int, subnet: Subnet, names: dict[int, str], slices: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return Delta^l of entries and travelling state; state that is new is all change."""
        returned, kept = tensors_of(subnet.module), self._kept(l)
        if self._training.travelling_state is not None:
            there = {key: name for key, name in names.items() if not kept.leaves_out(name)}
            state, numbers = returned_state(subnet.optimizer, there)
            returned |= state
            self._note(numbers)
        own = {name: kept.own(name, tensor) for name, tensor in returned.items()}
        given = {name: kept.own(name, tensor) for name, tensor in slices.items()}
        return changes(given, {n: t for n, t in own.items() if n in given}) | {
            n: t for n, t in own.items() if n not in given
        }

    def finish(self) -> None:
        """Aggregate (lines 11 to 13).

        Raises
        ------
        RuntimeError
            If some subnetwork has not been trained, or the round is not the one that comes next: two loops over
            `ModuleTraining.rounds` began with it. The network is as it was before the round.
        """
        if self._finished:
            return
        if self.index != (done := self._training.rounds_done):
            raise RuntimeError(
                f"ModuleTraining: rounds must be finished in their order by one loop, got round {self.index} where "
                f"round {done} is next"
            )
        self._collect()
        if idle := [l for l, own in enumerate(self._everybodys) if not own]:
            raise RuntimeError(
                f"ModuleTraining: each subnetwork of round {self.index} must be trained by subnet.step(loss), got no "
                f"step of subnetwork {idle[0]}"
            )
        self._training.outer.apply(self._sum)
        state = self._training.travelling_state
        if state is not None:
            entries = self._training.home
            state.tensors = {name: tensor for name, tensor in self._sum.whole.items() if name not in entries}
            state.take_up(self._numbers)
        del self._sum  # whoever holds this round any longer holds no sum
        self._finished = True
        self._training.rounds_done += 1

    def is_finite(self) -> bool:
        """Return whether all entries will be finite after this round that were finite before it.

        Raises
        ------
        RuntimeError
            If the round is finished.
        """
        if self._finished:
            raise RuntimeError(f"ModuleTraining: is_finite must be asked of round {self.index} before it is finished")
        self._collect()
        return self._training.workers.all_true(self._sum.is_finite())

    def last_loss(self) -> float:
        """Return the mean loss of the last local steps."""
        self._collect()
        last = [own[-1] for own in self._everybodys if own]
        return float(np.mean(last)) if last else np.nan

    def loss_array(self) -> FloatArray:
        """Return the losses of the local steps, shape (tau, p); one that takes fewer steps stays at its last loss.

        Raises
        ------
        ValueError
            If some subnetworks have taken fewer steps than they should, and others have not.
        """
        self._collect()
        taken = tuple(map(len, self._everybodys))
        if len(set(taken)) > 1 and taken != self._training.local_steps:
            expected = self._training.local_steps
            raise ValueError(f"Round.loss_array: steps of the subnetworks must be {expected}, got {taken}")
        tau = max(taken)
        return np.array([own + own[-1:] * (tau - len(own)) for own in self._everybodys], dtype=np.float64).T

    def _collect(self) -> None:
        """Bring the updates home, once all subnetworks have been trained, and let every worker know all losses."""
        if self._collected:
            return
        there = self._traffic.subnetworks
        if self._next != there.stop:
            raise RuntimeError(
                f"ModuleTraining: all {len(there)} subnetworks of round {self.index} must be iterated over, "
                f"got {self._next - there.start}"
            )
        losses = [[float(loss) for loss in own] for own in self.losses]
        mine = {"losses": losses, "numbers": self._numbers, "worker": self._training.workers.report()}
        reports = self._traffic.finish(mine)
        for report in reports:
            self._everybodys += report["losses"]
            self._note(report["numbers"])
        self.reports = [report["worker"] for report in reports]
        self._collected = True

    def _note(self, numbers: Mapping[str, Sequence[Any]]) -> None:
        """Keep the largest of each number that an optimiser returns."""
        for name, number in numbers.items():
            value, was_tensor = number
            self._numbers[name] = max((value, was_tensor), self._numbers.get(name, (value, was_tensor)))

    def _receive(self, places: dict[str, Place], updates: dict[str, torch.Tensor]) -> None:
        """Add up the update of the next subnetwork, as far as it concerns the rows that live here."""
        home = self._training.home
        for name, update in updates.items():
            if name not in self._sum.whole:  # state begins with zeros, where no subnetwork has been
                self._sum.expect(name, torch.zeros_like(home[entry_of(name, home)], dtype=update.dtype))
        self._sum.add(places, updates)
