"""The store in which workers meet, and the group that met there.

torch waits forever for the store's answer when the network is cut silently, and takes a multiple of its own
limit to connect. So a call to the store runs in a thread of its own, which is left behind when the limit has passed;
the process ends soon after.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from ..engines.distributed.group import Group, PeerLostError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class StoreLostError(ConnectionError):
    """The store is gone, cannot be reached, or does not answer in time."""


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


@dataclass(eq=False, kw_only=True)
class Transport(Group):
    """A group of workers, and the store in which it met.

    Parameters
    ----------
    store : Store
    """

    store: Store

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

    def left(self) -> bool:
        """Return whether one of the group has begun again, or the store is gone: nobody can go on with this group."""
        try:
            return self.store.add("left") > 0
        except StoreLostError:
            return True


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
