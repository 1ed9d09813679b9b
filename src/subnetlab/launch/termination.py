"""SIGTERM asks a job for an orderly end, whether a batch system sends it to the launcher alone or to every process.

The processes below the launcher hold the signal back (a child inherits that): torchrun would kill its workers, and a
worker would die in the middle of a round. The keepers look for it and pass the request on.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_TERM = {signal.SIGTERM}


@contextmanager
def on_termination(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Call a handler when SIGTERM arrives in the block; outside the main thread, which alone may say so, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def termination_held_back() -> Iterator[None]:
    """Hold SIGTERM back in the block, and for good in processes that start in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TERM)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def sender_of_termination() -> int | None:
    """Return who sent the SIGTERM that was held back, or None if there was none; asks once."""
    received = signal.sigtimedwait(_TERM, 0)
    return None if received is None else received.si_pid
