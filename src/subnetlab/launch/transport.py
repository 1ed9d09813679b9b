"""How workers talk: the store of their rendezvous, and exchanges by torch.distributed's gloo, nothing pickled.

torch waits forever for the store's answer when the network is cut silently, and takes a multiple of its own
limit to connect. So a call to the store runs in a thread of its own, which is left behind when the limit has passed;
the process ends soon after.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..engines.distributed.worker import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..engines.distributed.worker import Messages, Steps

_T = TypeVar("_T")
_LONGEST = 1000  # bytes of an error's text


class StoreLostError(ConnectionError):
    """The store is gone, cannot be reached, or does not answer in time."""


class PeerLostError(ConnectionError):
    """Another worker died, hangs, or cannot be reached."""


class JobError(RuntimeError):
    """The job cannot go on, and trying again would not help; the same text on all workers."""


@dataclass(frozen=True, eq=False)
class Store:
    """The few calls that workers make.

    Parameters
    ----------
    raw : torch.distributed.Store
    limit : float
        Seconds that a call may take.
    wait : float
        Seconds more to wait for a text that is not there yet.
    """

    raw: Any
    limit: float
    wait: float

    def add(self, name: str, more: int = 0) -> int:
        """Add to a counter, and return its value."""
        return within(self.limit, lambda: self.raw.add(name, more))

    def append(self, name: str, text: str) -> None:
        """Append to a text; others see all of it or nothing."""
        within(self.limit, lambda: self.raw.append(name, text))

    def set(self, name: str, text: str) -> None:
        """Set a text."""
        within(self.limit, lambda: self.raw.set(name, text))

    def get(self, name: str) -> str:
        """Return a text, once it is there."""
        return within(self.limit + self.wait, lambda: self.raw.get(name)).decode()


@dataclass(eq=False)
class Transport:
    """Moves messages between the workers of one group.

    Parameters
    ----------
    gloo : torch.distributed.ProcessGroupGloo
    rank, size : int
    store : Store
        In which the group met.
    bytes_sent : int
        Payload handed to the sockets so far.
    seconds_waiting : float
        Time spent in sending and receiving so far.
    """

    gloo: Any
    rank: int
    size: int
    store: Store
    bytes_sent: int = 0
    seconds_waiting: float = 0.0

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
        """Add to a counter that all workers share, and return its value.

        Raises
        ------
        PeerLostError
            If the store, which worker 0 serves, is gone.
        """
        try:
            return self.store.add(name, more)
        except StoreLostError as error:
            raise PeerLostError(f"worker {self.rank}: the store is lost: {error}") from error

    def latecomers(self) -> bool:
        """Return whether workers wait that came after the group had begun."""
        return self.count("late") > 0

    def tell_all(self, array: np.ndarray) -> list[np.ndarray]:
        """Give every worker this one's array, of the same shape and dtype everywhere; return theirs."""
        shapes = [[array.shape]] * self.size
        return [message[0] for message in self.exchange(Exchange([[array]] * self.size, shapes, array.dtype))]

    def agree(self, error: Exception | None) -> None:
        """Raise the same error on all workers if one of them has one.

        Raises
        ------
        JobError
            With the text of the lowest rank that has an error.
        """
        text = b"" if error is None else (str(error) or type(error).__name__).encode()[:_LONGEST]
        for received in self.tell_all(_padded(text, _LONGEST, b"\0")):
            if received[0]:
                raise JobError(received.tobytes().rstrip(b"\0").decode(errors="replace"))

    def agree_on_settings(self, settings: Mapping[str, Any]) -> None:
        """Compare the settings of all workers.

        Raises
        ------
        JobError
            If they differ; names the first setting that does, and its values.
        """
        mine = json.dumps(settings, sort_keys=True).encode()
        longest = max(int(length[0]) for length in self.tell_all(np.array([len(mine)])))
        everybody = [json.loads(text.tobytes()) for text in self.tell_all(_padded(mine, longest, b" "))]
        for rank, theirs in enumerate(everybody):
            for name in sorted(everybody[0].keys() | theirs.keys()):
                a, b = everybody[0].get(name), theirs.get(name)
                if a != b:
                    raise JobError(
                        f"launch: {name} must be the same on all workers, got {a!r} on worker 0 and {b!r} on worker "
                        f"{rank}"
                    )

    def exchange(self, exchange: Exchange) -> Messages:
        """Send every message and return what arrived; empty arrays are not sent."""
        import torch

        start = time.perf_counter()
        arrived = [[np.empty(shape, exchange.dtype) for shape in shapes] for shapes in exchange.shapes]
        arrived[self.rank] = list(exchange.outgoing[self.rank])
        # each worker begins with its successor, so that they do not all begin with the same one
        peers = [(self.rank + shift) % self.size for shift in range(1, self.size)]
        kept_alive, works = [], []
        try:
            for peer in peers:
                for tag, array in enumerate(arrived[peer]):
                    if array.size:
                        works.append(self.gloo.recv([torch.from_numpy(array)], peer, tag))
            for peer in peers:
                for tag, array in enumerate(exchange.outgoing[peer]):
                    if array.size:
                        tensor = torch.from_numpy(np.ascontiguousarray(array))
                        kept_alive.append(tensor)
                        works.append(self.gloo.send([tensor], peer, tag))
                        self.bytes_sent += array.nbytes
            for work in works:
                work.wait()
            for message in exchange.outgoing:
                message.clear()  # the worker's memory, which is not needed any more
        except RuntimeError as error:  # gloo's only type
            raise PeerLostError(f"worker {self.rank}: an exchange failed: {str(error).splitlines()[0]}") from error
        self.seconds_waiting += time.perf_counter() - start
        return arrived


def _padded(text: bytes, length: int, filler: bytes) -> np.ndarray:
    return np.array(list(text.ljust(length, filler)), np.uint8)  # writable, as torch wants arrays to be


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return what a call returns, if it does so in time.

    Parameters
    ----------
    seconds : float
    call : callable

    Raises
    ------
    StoreLostError
        If the call takes longer, or raises a RuntimeError, as torch does when a connection is lost.

    Examples
    --------
    >>> within(10.0, lambda: 6 * 7)
    42
    """
    outcome: list[tuple[_T | None, RuntimeError | None]] = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except RuntimeError as error:
            outcome.append((None, error))

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise StoreLostError(f"no answer for {seconds:g} s")
    result, error = outcome[0]
    if error is not None:
        raise StoreLostError(str(error).splitlines()[0]) from error
    return result  # pyright: ignore[reportReturnType]
