"""The exchange over sockets: torch.distributed's gloo, point to point, nothing pickled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..engines.distributed.worker import Exchange
from .store import StoreLostError

if TYPE_CHECKING:
    from ..engines.distributed.worker import Parcels, Steps
    from .store import Store

_T = TypeVar("_T")


class PeerLostError(ConnectionError):
    """Another worker died, hangs, or cannot be reached."""


class Transport:
    """Moves parcels between the processes of one group.

    Parameters
    ----------
    group : torch.distributed.ProcessGroupGloo
    rank, size : int
    store : Store
        In which the group met.

    Attributes
    ----------
    bytes_sent : int
        Payload handed to the sockets so far.
    seconds_waiting : float
        Time spent in sending and receiving so far.
    """

    def __init__(self, group: Any, rank: int, size: int, store: Store) -> None:
        self._group = group
        self._store = store
        self.rank = rank
        self.size = size
        self.bytes_sent = 0
        self.seconds_waiting = 0.0

    def drive(self, steps: Steps[_T]) -> _T:
        """Run a worker's generator to its end.

        Raises
        ------
        PeerLostError
            If an exchange fails or takes longer than the group's timeout.
        """
        try:
            exchange = next(steps)
            while True:
                exchange = steps.send(self.exchange(exchange))
        except StopIteration as stop:
            return stop.value

    def count(self, name: str, more: int = 0) -> int:
        """Add to a counter that all processes share, and return its value.

        Raises
        ------
        PeerLostError
            If the store, which worker 0 serves, is gone.
        """
        try:
            return self._store.add(name, more)
        except StoreLostError as error:
            raise PeerLostError(f"worker {self.rank}: the store is lost: {error}") from error

    def latecomers(self) -> bool:
        """Return whether workers wait that came after the group had begun."""
        return self.count("late") > 0

    def tell_all(self, array: np.ndarray) -> list[np.ndarray]:
        """Give every process this one's array, of the same shape and dtype everywhere; return theirs."""
        shapes = [[array.shape]] * self.size
        return [parcel[0] for parcel in self.exchange(Exchange([[array]] * self.size, shapes, array.dtype))]

    def exchange(self, exchange: Exchange) -> Parcels:
        """Send every parcel and return what arrived; empty arrays are not sent."""
        import torch

        start = time.perf_counter()
        arrived = [[np.empty(shape, exchange.dtype) for shape in shapes] for shapes in exchange.shapes]
        arrived[self.rank] = list(exchange.outgoing[self.rank])
        kept_alive, works = [], []
        try:
            for peer in _others(self.rank, self.size):
                for tag, array in enumerate(arrived[peer]):
                    if array.size:
                        works.append(self._group.recv([torch.from_numpy(array)], peer, tag))
            for peer in _others(self.rank, self.size):
                for tag, array in enumerate(exchange.outgoing[peer]):
                    if array.size:
                        tensor = torch.from_numpy(np.ascontiguousarray(array))
                        kept_alive.append(tensor)
                        works.append(self._group.send([tensor], peer, tag))
                        self.bytes_sent += array.nbytes
            for work in works:
                work.wait()
            for parcel in exchange.outgoing:
                parcel.clear()  # the worker's memory, which nobody needs any more
        except RuntimeError as error:  # gloo's only type
            raise PeerLostError(f"worker {self.rank}: an exchange failed: {str(error).splitlines()[0]}") from error
        self.seconds_waiting += time.perf_counter() - start
        return arrived


def _others(rank: int, size: int) -> list[int]:
    """Return the other processes, each worker beginning with its successor so that nobody is everybody's first."""
    return [(rank + shift) % size for shift in range(1, size)]
