"""The workers that train together, and how they talk: torch.distributed's point-to-point messages, nothing pickled."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np

from .worker import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .worker import Messages, Steps

_T = TypeVar("_T")
Wish: TypeAlias = Literal["", "stop", "meet again"]
_LONGEST = 1000  # bytes of an error's text


class PeerLostError(ConnectionError):
    """Another worker died, hangs, or cannot be reached."""


class JobError(RuntimeError):
    """The job cannot go on, and trying again would not help; the same text on all workers."""


class StopRequested(KeyboardInterrupt):
    """All workers end here, after a checkpoint, because somebody asked for an orderly end."""


@dataclass(eq=False)
class Group:
    """Moves messages between the workers of one group.

    Parameters
    ----------
    process_group : torch.distributed.ProcessGroup
        Of gloo.
    rank, size : int
    owner : str
        Named by messages about settings.
    bytes_sent : int
        Payload handed to the sockets so far.
    seconds_waiting : float
        Time spent in sending and receiving so far.
    rates : tuple of float, optional
        How fast the workers are that a training is planned for, if it does not say so itself.
    device : str, optional
        Where a training takes place, if it does not say so itself.
    first_tag : int
        Of the messages of an exchange: those of another one, which has other tags, are not taken for them.
    """

    process_group: Any
    rank: int
    size: int
    owner: str = "launch"
    bytes_sent: int = 0
    seconds_waiting: float = 0.0
    rates: tuple[float, ...] | None = None
    device: str | None = None
    first_tag: int = 0

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

    def begin_training(self) -> int:
        """Return the number of a training that begins, from 1: `heard` is told whose rounds they are."""
        return 1

    def checkpoint_file(self) -> Path | None:
        """Return where a training keeps its checkpoint that was given no file."""
        return None

    def wish(self) -> Wish:
        """Return whether training should end after this round, with a checkpoint; only that of worker 0 counts."""
        return ""

    def ending(self, wish: Wish) -> StopRequested | PeerLostError:
        """Return what training ends with, after a checkpoint, when that is wished."""
        return StopRequested() if wish == "stop" else PeerLostError("a missing worker is there again")

    def heard(self, event: str, rounds: int, **facts: Any) -> None:
        """Hear of a round, or of a checkpoint that is on disk."""

    def at_work(self, works: bool) -> None:
        """Hear of a local step, and whether another one will follow here."""

    def doing(self, what: str) -> None:
        """Hear what the exchanges from here on are for, in words: the same on all workers, or they have parted."""

    def tell_all(self, array: np.ndarray) -> list[np.ndarray]:
        """Give every worker this one's array, of the same shape and dtype everywhere; return theirs."""
        shapes = [[array.shape]] * self.size
        return [message[0] for message in self.exchange(Exchange([[array]] * self.size, shapes, array.dtype))]

    def tell_all_json(self, value: Any) -> list[Any]:
        """Give every worker something that JSON can hold; return theirs. Floats keep their bits."""
        mine = json.dumps(value, sort_keys=True).encode()
        longest = max(int(length[0]) for length in self.tell_all(np.array([len(mine)])))
        return [json.loads(text.tobytes()) for text in self.tell_all(_padded(mine, longest, b" "))]

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
        everybody = self.tell_all_json(settings)
        for rank, theirs in enumerate(everybody):
            for name in sorted(everybody[0].keys() | theirs.keys()):
                a, b = everybody[0].get(name), theirs.get(name)
                if a != b:
                    raise JobError(
                        f"{self.owner}: {name} must be the same on all workers, got {a!r} on worker 0 and {b!r} on "
                        f"worker {rank}"
                    )

    def exchange(self, exchange: Exchange) -> Messages:
        """Send every message and return what arrived; empty arrays are not sent.

        A worker may end as soon as its exchange is over, even if another one has not read yet, so an error that all
        have agreed on reaches all. Gloo completes a send when all of it is in the socket, which the system delivers
        after the end of the process, too. And the message is the last that a peer writes, after its notices that it is
        ready to send and to receive, so nothing is left unread, which would make the system reset the connection.
        """
        import torch

        start = time.perf_counter()
        arrived = [[np.empty(shape, exchange.dtype) for shape in shapes] for shapes in exchange.shapes]
        arrived[self.rank] = list(exchange.outgoing[self.rank])
        # each worker begins with its successor, so that they do not all begin with the same one
        peers = [(self.rank + shift) % self.size for shift in range(1, self.size)]
        kept_alive, works = [], []
        try:
            for peer in peers:
                for tag, array in enumerate(arrived[peer], self.first_tag):
                    if array.size:
                        works.append(self.process_group.recv([torch.from_numpy(array)], peer, tag))
            for peer in peers:
                for tag, array in enumerate(exchange.outgoing[peer], self.first_tag):
                    if array.size:
                        tensor = torch.from_numpy(np.ascontiguousarray(array))
                        kept_alive.append(tensor)
                        works.append(self.process_group.send([tensor], peer, tag))
                        self.bytes_sent += array.nbytes
            for work in works:
                work.wait()
            for message in exchange.outgoing:
                message.clear()  # the worker's memory, which is not needed any more
        except RuntimeError as error:  # gloo's only type
            raise PeerLostError(f"worker {self.rank}: an exchange failed: {str(error).splitlines()[0]}") from error
        self.seconds_waiting += time.perf_counter() - start
        return arrived


_AMONG: ContextVar[Group | None] = ContextVar("subnetlab_group", default=None)
_of_this_process: list[Group] = []  # a thread does not inherit the variable


@contextmanager
def among(group: Group, *, in_all_threads: bool = False) -> Iterator[None]:
    """Let whatever trains in the block be one of these workers, whose group the caller has made.

    Parameters
    ----------
    group : Group
    in_all_threads : bool, default False
        Let other threads of this process be of the group, too, in which a script may train.
    """
    token = _AMONG.set(group)
    _of_this_process.extend([group] * in_all_threads)
    try:
        yield
    finally:
        _AMONG.reset(token)
        if in_all_threads:
            _of_this_process.remove(group)


def joined_group(owner: str) -> Group | None:
    """Return the workers that this process is one of, or None if it works alone.

    They are those of `among`; of torch.distributed, where the script has initialised it; or those that a launcher
    names by RANK and WORLD_SIZE, as torchrun, srun and Kubernetes do: torch.distributed is then initialised, with gloo.

    Raises
    ------
    ValueError
        If a variable of the launcher is missing, or no number.
    RuntimeError
        Of torch, if the workers cannot meet.
    """
    if (group := _AMONG.get()) is not None:
        return group
    if _of_this_process:
        return _of_this_process[-1]
    from torch import distributed as dist

    if not dist.is_available():
        return None
    if not dist.is_initialized():
        if "RANK" not in os.environ or _told(owner, "WORLD_SIZE", least=1, default="1") == 1:
            return None
        _check_variables(owner)
        dist.init_process_group("gloo")
    if dist.get_world_size() == 1:
        return None
    made = dist.group.WORLD if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")
    return Group(made, dist.get_rank(), dist.get_world_size(), owner)


def _check_variables(owner: str) -> None:
    """Refuse variables of a launcher that torch would wait with, or stop at in its own words."""
    size = _told(owner, "WORLD_SIZE", least=1)
    if (rank := _told(owner, "RANK", least=0)) >= size:
        raise ValueError(f"{owner}: RANK must be below WORLD_SIZE = {size}, got {rank}")
    if not os.environ.get("MASTER_ADDR"):
        raise ValueError(f"{owner}: MASTER_ADDR must be the address of worker 0 where RANK is set, got none")
    _told(owner, "MASTER_PORT", least=0)


def _told(owner: str, name: str, *, least: int, default: str = "") -> int:
    """Return the number that a variable of a launcher holds."""
    text = os.environ.get(name, default)
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{owner}: {name} must be a whole number of at least {least}, got {text!r}")
    return int(text)


def _padded(text: bytes, length: int, filler: bytes) -> np.ndarray:
    return np.array(list(text.ljust(length, filler)), np.uint8)  # writable, as torch wants arrays to be
