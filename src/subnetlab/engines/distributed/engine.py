"""The distributed algorithm under the engine contract, in one process.

It is what `subnetlab launch` computes, bit for bit, for every number of workers: the single-process answer to compare
with. The workers run in step and hand their messages over as arrays: the oracle for everything that uses sockets.
Costs a round 2 (2 tau + 1) n d sum_l m_l + 2 m n d operations in matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .placement import Placement
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...core.aggregation import Unselected
    from ...core.arrays import BoolArray, FloatArray
    from ...core.record import RoundRecord
    from ...core.rows import LocalRows
    from ..base import Dtype, Problem
    from .worker import Messages, Steps

_T = TypeVar("_T")
_MOST_SLOTS = 1 << 20  # more subnetworks than neurons leave slots empty, but a number in a file may say anything


@dataclass
class DistributedState:
    """The workers, each with its part of the network."""

    workers: list[Worker]


class DistributedEngine:
    """All workers in this process, one by default.

    Parameters
    ----------
    problem : Problem
    dtype : {"float64", "float32"}
    threads : int
    workers : int, default 1
        q; decides nothing but who holds which neuron.
    """

    def __init__(self, problem: Problem, *, dtype: Dtype = "float64", threads: int = 1, workers: int = 1) -> None:
        self._problem = problem
        self._dtype: Dtype = dtype
        self._size = workers

    def start(self, weights: FloatArray) -> DistributedState:
        """Copy the weights to their homes."""
        return self._place(Placement.at_home(len(weights)), weights)

    def round(
        self,
        state: DistributedState,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[DistributedState, RoundRecord]:
        """Run one round; the state is updated in place."""
        records = run_in_step(
            [worker.round(masks, step_size, local_steps, rows, unselected) for worker in state.workers]
        )
        return state, records[0]

    def weights(self, state: DistributedState) -> FloatArray:
        """Return W in the order of the neurons."""
        W = np.empty((len(self._problem.signs), self._problem.X.shape[1]), self._dtype)
        for worker in state.workers:
            for slot, weights in worker.slot_weights().items():
                W[worker.placement.slots[slot]] = weights
        return W

    def full_error(self, state: DistributedState) -> float:
        """Return |y - u|^2."""
        return run_in_step([worker.measure() for worker in state.workers])[0]

    def snapshot(self, state: DistributedState) -> dict[str, np.ndarray]:
        """Return W and the slot of each neuron: slots decide the order in which outputs are summed."""
        slot_of = np.empty(len(self._problem.signs), np.int64)
        for slot, neurons in enumerate(state.workers[0].placement.slots):
            slot_of[neurons] = slot
        n_slots = np.array(len(state.workers[0].placement.slots))
        return {"weights": self.weights(state), "slots": slot_of, "n_slots": n_slots}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> DistributedState:
        """Return the state that `snapshot` described.

        Raises
        ------
        ValueError
            If there are slots without end, or a neuron is in none.
        """
        slot_of, n_slots = arrays["slots"], int(arrays["n_slots"])
        most = max(len(slot_of), _MOST_SLOTS)
        if not 0 < n_slots <= most or slot_of.min() < 0 or slot_of.max() >= n_slots:
            raise ValueError(
                f"resume: n_slots must be at most {most:,} and above the number of every slot, got {n_slots:,} and "
                f"slots from {slot_of.min():,} to {slot_of.max():,}"
            )
        by_slot = np.argsort(slot_of, kind="stable")
        slots = np.split(by_slot, np.searchsorted(slot_of[by_slot], np.arange(1, n_slots)))
        return self._place(Placement(tuple(slots)), arrays["weights"])

    def _place(self, placement: Placement, weights: FloatArray) -> DistributedState:
        workers = [Worker(self._problem, rank, self._size, self._dtype) for rank in range(self._size)]
        for worker in workers:
            slots = placement.slots_of(worker.rank, self._size)
            worker.place(placement, [weights[placement.slots[slot]].astype(self._dtype) for slot in slots])
        return DistributedState(workers)


def run_in_step(workers: Sequence[Steps[_T]]) -> list[_T]:
    """Drive the workers' generators, handing every message over as it is.

    Raises
    ------
    RuntimeError
        If a message has not the shape that its receiver awaits, or the workers do not agree on what comes next.
    """
    results: dict[int, _T] = {}
    arrived: list[Any] = [None] * len(workers)  # None starts a generator
    while True:
        exchanges = []
        for rank, worker in enumerate(workers):
            try:
                exchanges.append(worker.send(arrived[rank]))
            except StopIteration as stop:
                results[rank] = stop.value
        if not exchanges:
            return [results[rank] for rank in range(len(workers))]
        if len(exchanges) != len(workers):
            raise RuntimeError("run_in_step: some workers have finished while others wait for messages")
        for t, exchange in enumerate(exchanges):
            messages: Messages = [list(exchanges[s].outgoing[t]) for s in range(len(workers))]
            shapes = [[array.shape for array in message] for message in messages]
            if shapes != exchange.shapes:
                raise RuntimeError(f"run_in_step: process {t} awaits {exchange.shapes}, got {shapes}")
            arrived[t] = messages
