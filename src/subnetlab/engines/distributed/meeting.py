"""How the workers of one attempt find each other.

The first worker of machine 0 serves a store on the given address and on no other; each attempt has a store of its
own, so nothing of an attempt that failed is left in it. Gloo binds to the address that faces the store: the
loopback interface on one machine.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .transport import PeerLostError, Transport

_LAST_PORT = 65535
_POLL = 0.02  # seconds
_SUPERVISOR = 40.0  # seconds that torchrun may need to start the workers of machine 0 again


class AddressError(OSError):
    """The given address cannot be used; trying again would not help."""


class UnreachableError(ConnectionError):
    """Nobody serves the store: machine 0 is lost or not yet there."""


@dataclass(frozen=True)
class Meeting:
    """Where and with whom.

    Parameters
    ----------
    workers : int
        How many are expected.
    machine, local_rank : int
        Who this worker is; ranks follow the order of the two.
    timeout : float
        Seconds after which an exchange counts as failed.
    patience : float
        Seconds to wait for the workers that are missing, before going on with those that came.
    address : (str, int)
        Host and port on machine 0.
    listener : socket, optional
        The socket that listens there, for the worker that serves the store.
    """

    workers: int
    machine: int
    local_rank: int
    timeout: float
    patience: float
    address: tuple[str, int]
    listener: socket.socket | None = None

    def join(self) -> Transport:
        """Meet the others.

        Raises
        ------
        UnreachableError
            If machine 0 cannot be reached.
        PeerLostError
            If somebody is lost while they meet, or the others began without this worker.
        """
        import torch.distributed

        dist: Any = torch.distributed  # gloo's options are outside its type stubs
        store = self._store(dist)
        try:
            rank, size = self._take_place(store)
            options = dist.ProcessGroupGloo._Options()
            options._timeout = timedelta(seconds=self.timeout)
            options._devices = [dist.ProcessGroupGloo.create_device(hostname=self._own_address())]
            group = dist.ProcessGroupGloo(dist.PrefixStore("gloo", store), rank, size, options)
        except RuntimeError as error:
            raise PeerLostError(f"a worker was lost in the meeting: {str(error).splitlines()[0]}") from error
        return Transport(group, rank, size, store)

    def _store(self, dist: Any) -> Any:
        host, port = self.address
        if self.listener is not None:
            return dist.TCPStore(
                host,
                port,
                is_master=True,
                wait_for_workers=False,
                timeout=timedelta(seconds=self.patience + self.timeout),
                master_listen_fd=os.dup(self.listener.fileno()),
            )
        wait = self.patience + self.timeout + _SUPERVISOR
        try:
            return dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=wait))
        except RuntimeError as error:  # DistNetworkError in newer versions
            raise UnreachableError(
                f"launch: machine 0 must answer at {host}:{port}, got no answer for {wait:.0f} s; "
                "start it again and give the same command on every machine to go on from the last checkpoint"
            ) from error

    def _take_place(self, store: Any) -> tuple[int, int]:
        """Return rank and size among those that came in time; the store's owner decides when to begin."""
        ticket = store.add("tickets", 1) - 1
        store.set(f"name/{ticket}", f"{self.machine:06d}/{self.local_rank:06d}")
        if self.listener is not None:
            deadline = time.monotonic() + self.patience
            while store.add("tickets", 0) < self.workers and time.monotonic() < deadline:
                time.sleep(_POLL)
            store.set("size", str(store.add("tickets", 0)))
        size = int(store.get("size"))
        if ticket >= size:
            self._wait_for_the_next_meeting(store)
            raise PeerLostError(f"the {size} workers that were in time have begun without this one")
        names = [store.get(f"name/{i}").decode() for i in range(size)]
        if len(set(names)) < size:  # one was lost in the meeting and came again, or two machines have the same number
            raise PeerLostError(f"every worker must come once, got machine/worker {sorted(names)}")
        return sorted(names).index(names[ticket]), size

    def _wait_for_the_next_meeting(self, store: Any) -> None:
        """Wait until the store is gone: the others see the ticket, and meet again after the round at work."""
        with contextlib.suppress(RuntimeError):
            while True:
                store.add("tickets", 0)
                time.sleep(_POLL)

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
