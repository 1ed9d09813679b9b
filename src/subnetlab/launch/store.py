"""The store of a rendezvous: torch's TCPStore, but every call ends within a time limit.

torch waits for ever for the answer to a request when the network is cut without a word, and takes a multiple of its
own limit to connect. So a call runs in a thread of its own, which is left behind when the limit has passed; the process
ends soon after.
"""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class StoreLostError(ConnectionError):
    """The store is gone, cannot be reached, or does not answer in time."""


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

    def __init__(self, raw: Any, limit: float, wait: float) -> None:
        self.raw = raw
        self._limit = limit
        self._wait = wait

    def add(self, name: str, more: int = 0) -> int:
        """Add to a counter, and return its value."""
        return within(self._limit, lambda: self.raw.add(name, more))

    def append(self, name: str, text: str) -> None:
        """Append to a text; others see all of it or nothing."""
        within(self._limit, lambda: self.raw.append(name, text))

    def set(self, name: str, text: str) -> None:
        """Set a text."""
        within(self._limit, lambda: self.raw.set(name, text))

    def get(self, name: str) -> str:
        """Return a text, once it is there."""
        return within(self._limit + self._wait, lambda: self.raw.get(name)).decode()


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
