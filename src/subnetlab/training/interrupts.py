"""Ctrl-C that waits for a good moment."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold back the first Ctrl-C inside the block; the function it yields says whether one came.

    A second Ctrl-C acts at once. Outside the main thread, where Python allows no signal handlers, nothing
    changes.
    """
    asked = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = signal.getsignal(signal.SIGINT)

    def note(signum: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def remembered_interrupt() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C act at once; the function it yields raises KeyboardInterrupt if one came and was lost.

    What Python raises inside an import of C code or a callback from it can be dropped there, or come out as an
    ImportError. Outside the main thread, where Python allows no signal handlers, nothing changes.
    """
    asked = False

    def again() -> None:
        if asked:
            raise KeyboardInterrupt

    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield again
        return

    def note(signum: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        previous(signum, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield again
    finally:
        signal.signal(signal.SIGINT, previous)
