"""The rendezvous: how the workers of one attempt find each other.

The first worker of machine 0 serves a store on the given address and on no other; each attempt has a store of its
own, so nothing of an attempt that failed is left in it. Gloo binds to the address that faces the store: the
loopback interface on one machine.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import socket
import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from secrets import token_hex
from typing import Any, NoReturn

import numpy as np

from ..engines.distributed.group import JobError, PeerLostError
from .transport import Store, StoreLostError, Transport, within

_LAST_PORT = 65535
_POLL = 0.02  # seconds
_NOTICED = 2.0  # times the time limit: by then the loss of a worker has been noticed
_SUPERVISOR = 40.0  # seconds that torchrun may need to start the workers of machine 0 again


class AddressError(OSError):
    """The given address cannot be used; trying again would not help."""


class UnreachableError(ConnectionError):
    """No worker serves the store: machine 0 is lost or has not started yet."""


@dataclass(frozen=True)
class Rendezvous:
    """Where a worker meets the others, and how many it expects.

    Parameters
    ----------
    workers : int
        How many are expected.
    machine, local_rank : int
        Who this worker is; ranks follow the order of the two.
    timeout : float
        Seconds after which an exchange counts as failed.
    patience : float
        Seconds to wait for missing workers before going on without them.
    address : (str, int)
        Host and port on machine 0.
    listener : socket, optional
        The socket that listens there, for the worker that serves the store.
    origin : str, optional
        Names the process that starts this worker again when it is lost; by default a name that no other worker has.
    """

    workers: int
    machine: int
    local_rank: int
    timeout: float
    patience: float
    address: tuple[str, int]
    listener: socket.socket | None = None
    origin: str = field(default_factory=partial(token_hex, 8))

    def join(self) -> Transport:
        """Meet the others.

        Raises
        ------
        UnreachableError
            If machine 0 cannot be reached.
        PeerLostError
            If a worker is lost during the rendezvous, or the others began without this one.
        JobError
            If all expected workers have come without this one.
        """
        import torch.distributed

        dist: Any = torch.distributed  # its type stubs lack gloo's options
        store = self._store(dist)
        try:
            rank, size = self._take_place(store)
            group = within(self.patience + self.timeout, lambda: self._connect(dist, store, rank, size))
        except StoreLostError as error:
            raise PeerLostError(f"a worker was lost during the rendezvous: {error}") from error
        transport = Transport(group, rank, size, store=store)
        transport.tell_all(np.zeros(1))  # the store's owner must not leave while others still connect
        return transport

    def _store(self, dist: Any) -> Store:
        host, port = self.address
        answer = timedelta(seconds=self.patience + self.timeout)  # the owner has decided by then
        if self.listener is not None:
            descriptor = os.dup(self.listener.fileno())
            raw = dist.TCPStore(
                host, port, is_master=True, wait_for_workers=False, timeout=answer, master_listen_fd=descriptor
            )
            return Store(raw, self.timeout, self.patience + self.timeout)
        wait = self.patience + self.timeout + _SUPERVISOR
        options = {"is_master": False, "timeout": timedelta(seconds=wait)}
        try:
            raw = within(wait, lambda: dist.TCPStore(host, port, **options))
        except StoreLostError as error:
            raise UnreachableError(
                f"launch: machine 0 must answer at {host}:{port}, got no answer for {wait:.0f} s; "
                "start it again and give the same command on every machine to go on from the last checkpoint"
            ) from error
        raw.set_timeout(answer)
        return Store(raw, self.timeout, self.patience + self.timeout)

    def _connect(self, dist: Any, store: Store, rank: int, size: int) -> Any:
        """Return a group of gloo that listens on one address alone, the one that faces the store.

        This takes torch's private names, here and nowhere else. The public `init_process_group` listens on whatever the
        host's name stands for, or on an interface that an environment variable names, with all addresses of it; and
        it knows one group per process, where a test runs several workers in one.
        """
        options = dist.ProcessGroupGloo._Options()
        options._timeout = timedelta(seconds=self.timeout)
        options._devices = [dist.ProcessGroupGloo.create_device(hostname=self._own_address())]
        return dist.ProcessGroupGloo(dist.PrefixStore("gloo", store.raw), rank, size, options)

    def _take_place(self, store: Store) -> tuple[int, int]:
        """Return rank and size among the workers that came in time; the store's owner decides which did."""
        me = self._arrive(store)
        if self.listener is not None:
            store.set("members", json.dumps(self._members(store)))
        members = json.loads(store.get("members"))
        store.add("told", 1)
        numbers = [member[0] for member in members]
        if len(set(numbers)) < len(numbers):
            if self.listener is not None:
                self._wait_until_told(store, len(members))
            raise PeerLostError(f"every worker must come once, got machine/worker {numbers}")
        if me not in members:
            self._wait_for_the_next(store, me, members)
        return members.index(me), len(members)

    def _arrive(self, store: Store) -> list[str]:
        """Announce this worker by its number, its origin, and a word that is new every time; return them."""
        me = [f"{self.machine:06d}/{self.local_rank:06d}", self.origin, token_hex(8)]
        store.append("arrivals", json.dumps(me) + "\n")
        return me

    def _members(self, store: Store) -> list[list[str]]:
        """Return the workers that came in time, in the order of their ranks; only the store's owner calls it.

        A second arrival from the same origin is the successor of a worker that was lost during the rendezvous; one from
        another origin means that two machines have the same number.
        """
        deadline = time.monotonic() + self.patience
        while True:
            arrivals = [json.loads(line) for line in store.get("arrivals").splitlines()]
            living = {(number, origin): token for number, origin, token in arrivals}
            if len(living) >= self.workers or time.monotonic() >= deadline:
                members = [[number, origin, token] for (number, origin), token in living.items()]
                return sorted(members[: self.workers])
            time.sleep(_POLL)

    def _wait_until_told(self, store: Store, size: int) -> None:
        """Keep the store until all workers have read it, or for the time limit if one has died."""
        deadline = time.monotonic() + self.timeout
        while store.add("told", 0) < size and time.monotonic() < deadline:
            time.sleep(_POLL)

    def _wait_for_the_next(self, store: Store, me: list[str], members: list[list[str]]) -> NoReturn:
        """Wait until the store is gone: the others see that a worker is late, and meet anew after the current round.

        If none was missing, a worker that they do not know does not disturb them: its number is wrong, or it takes the
        place of a machine whose loss they are about to notice.
        """
        number, origin, _ = me
        numbers = [member[0] for member in members]
        left = [number, origin] in [member[:2] for member in members]
        known = left or len(members) < self.workers
        if left:
            store.add("left", 1)  # a worker that hangs and serves this store would keep all the others here
        if known:
            store.add("late", 1)
        leave = time.monotonic() + (math.inf if known else _NOTICED * self.timeout if number in numbers else 0)
        with contextlib.suppress(StoreLostError):
            while time.monotonic() < leave:
                store.add("late", 0)
                time.sleep(_POLL)
            raise JobError(
                f"launch: all {self.workers} workers are at work, {numbers}; got machine/worker {number}, too"
            )
        raise PeerLostError(f"the {len(members)} workers that were in time have begun without this one")

    def _own_address(self) -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(self.address)  # sends nothing
            return probe.getsockname()[0]


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port.

    Raises
    ------
    ValueError
        If it is not HOST:PORT.

    Examples
    --------
    >>> parse_address("10.0.0.1:29500")
    ('10.0.0.1', 29500)
    """
    found = re.fullmatch(r"([^\s:]+):([0-9]{1,5})", text)
    if found is None or int(found[2]) > _LAST_PORT:
        raise ValueError(f"launch: address must be HOST:PORT, a name or IPv4 address, got {text!r}")
    return found[1], int(found[2])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on this address alone.

    Raises
    ------
    AddressError
        If it is in use, not one of this machine's, or stands for all of them.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        rule = "must be free" if error.errno == errno.EADDRINUSE else "must be an address of machine 0"
        raise AddressError(f"launch: address {rule}, got {host}:{port} ({error.strerror or error})") from error
    if listener.getsockname()[0] == "0.0.0.0":
        listener.close()
        raise AddressError(f"launch: address must be one by which the others reach machine 0, got {host}:{port}")
    listener.listen(1024)
    return listener
