"""How the workers of one attempt find each other.

Every attempt has a store of its own, so nothing of an attempt that failed is left in it. On one machine it is a file;
between machines the first worker of machine 0 serves it on the given address and on no other. Gloo binds
to the loopback interface, or to the address that faces machine 0.
"""

from __future__ import annotations

import errno
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .transport import PeerLostError, Transport

if TYPE_CHECKING:
    from pathlib import Path

_POLL = 0.02  # seconds


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
    file : Path, optional
        The store of this attempt, on one machine.
    address : (str, int), optional
        Host and port on machine 0, between machines.
    """

    workers: int
    machine: int
    local_rank: int
    timeout: float
    patience: float
    file: Path | None = None
    address: tuple[str, int] | None = None

    def join(self) -> Transport:
        """Meet the others.

        Raises
        ------
        AddressError
            If the address cannot be bound.
        UnreachableError
            If machine 0 cannot be reached.
        PeerLostError
            If somebody is lost while they meet, or the others began without this worker.
        """
        import torch.distributed

        dist: Any = torch.distributed  # gloo's options are outside its type stubs
        try:
            store = self._store(dist)
            rank, size = self._take_place(store)
            options = dist.ProcessGroupGloo._Options()
            options._timeout = timedelta(seconds=self.timeout)
            options._devices = [dist.ProcessGroupGloo.create_device(hostname=self._own_address())]
            group = dist.ProcessGroupGloo(dist.PrefixStore("gloo", store), rank, size, options)
        except RuntimeError as error:
            where = self.file or ":".join(map(str, self.address or ()))
            raise PeerLostError(f"no meeting at {where}: {str(error).splitlines()[0]}") from error
        return Transport(group, rank, size, store)

    def _store(self, dist: Any) -> Any:
        wait = timedelta(seconds=self.patience + self.timeout)
        if self.address is None:
            store = dist.FileStore(str(self.file), -1)
            store.set_timeout(wait)
            return store
        host, port = self.address
        if (self.machine, self.local_rank) != (0, 0):
            try:
                return dist.TCPStore(host, port, is_master=False, timeout=wait)
            except RuntimeError as error:  # DistNetworkError in newer versions
                raise UnreachableError(
                    f"launch: machine 0 must answer at {host}:{port}, got no answer for {wait.total_seconds():.0f} s; "
                    "start it again and give the same command on every machine to go on from the last checkpoint"
                ) from error
        listener = listen(host, port)
        return dist.TCPStore(
            host, port, is_master=True, timeout=wait, wait_for_workers=False, master_listen_fd=listener.detach()
        )

    def _take_place(self, store: Any) -> tuple[int, int]:
        """Return rank and size among those that came in time."""
        ticket = store.add("tickets", 1) - 1
        store.set(f"name/{ticket}", f"{self.machine:06d}/{self.local_rank:06d}")
        if ticket == 0:
            deadline = time.monotonic() + self.patience
            while store.add("tickets", 0) < self.workers and time.monotonic() < deadline:
                time.sleep(_POLL)
            store.set("size", str(store.add("tickets", 0)))
        size = int(store.get("size"))
        if ticket >= size:
            raise PeerLostError(f"the {size} workers that were in time have begun without this one")
        names = [store.get(f"name/{i}").decode() for i in range(size)]
        return sorted(names).index(names[ticket]), size

    def _own_address(self) -> str:
        if self.address is None:
            return "127.0.0.1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(self.address)  # sends nothing
            return probe.getsockname()[0]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on this address alone.

    Raises
    ------
    AddressError
        If it is in use or not one of this machine's.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        rule = "must be free" if error.errno == errno.EADDRINUSE else "must be an address of machine 0"
        raise AddressError(f"launch: address {rule}, got {host}:{port} ({error.strerror or error})") from error
    return listener
