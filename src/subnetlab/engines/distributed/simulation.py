"""The exchange without a network: all workers in one process, in step. The oracle for everything that uses sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .worker import Parcels, Steps

_T = TypeVar("_T")


def run_in_step(workers: Sequence[Steps[_T]]) -> list[_T]:
    """Drive the workers' generators, handing every parcel over as it is.

    Raises
    ------
    RuntimeError
        If a parcel has not the shape that its receiver awaits, or the workers do not agree on what comes next.
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
            raise RuntimeError("run_in_step: some workers have finished while others wait for parcels")
        for t, exchange in enumerate(exchanges):
            parcels: Parcels = [list(exchanges[s].outgoing[t]) for s in range(len(workers))]
            shapes = [[array.shape for array in parcel] for parcel in parcels]
            if shapes != exchange.shapes:
                raise RuntimeError(f"run_in_step: process {t} awaits {exchange.shapes}, got {shapes}")
            arrived[t] = parcels
