"""What a process inherits from the one that started it, and what it must not: open files, SIGTERM held back, its life.

SIGTERM asks a job for an orderly end, whether a batch system sends it to the launcher alone or to every process. The
processes below the launcher hold the signal back (a child inherits that): torchrun would kill its workers, and a
worker would die in the middle of a round. The agents look for it and pass the request on.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import tempfile
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

PARENT = "SUBNETLAB_PARENT"  # in the environment: who started this process
_GIVEN = "SUBNETLAB_GIVEN"  # in the environment: variables that the launcher sets, as they were before

_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)  # Linux
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_TERM = {signal.SIGTERM}
_MOST_DESCRIPTORS = 1 << 12  # of torchrun, which has some for each worker


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies, so that no worker writes into a job that others resumed."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def as_given(names: Iterable[str]) -> dict[str, str]:
    """Return a variable that says what some others are here, for `give_back`; None for those that are not set."""
    return {_GIVEN: json.dumps({name: os.environ.get(name) for name in names})}


def give_back() -> None:
    """Set variables to what they were where `as_given` was called; whoever is started from here on inherits them."""
    for name, value in json.loads(os.environ.pop(_GIVEN, "{}")).items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    tempfile.tempdir = None  # it was found by one of them


def keep_from_forks(held: Iterable[int]) -> None:
    """Put the null device in the place of descriptors in all processes that this one will fork, and that they will.

    The numbers stay taken, as whoever was told them may close them. What has been closed here by then, and may be
    another file, is left alone.
    """
    identities = {descriptor: _identity(descriptor) for descriptor in held}

    def let_go() -> None:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor, identity in identities.items():
            if _identity(descriptor) == identity:
                os.dup2(null, descriptor, inheritable=False)
        os.close(null)

    os.register_at_fork(after_in_child=let_go)


def descriptors(of_kind: Callable[[int], bool]) -> list[int]:
    """Return the descriptors of a kind (`stat.S_ISSOCK`) that this process holds besides the standard streams."""
    found = {descriptor: _identity(descriptor) for descriptor in range(3, _MOST_DESCRIPTORS)}
    return [descriptor for descriptor, identity in found.items() if identity is not None and of_kind(identity[0])]


def _identity(descriptor: int) -> tuple[int, int, int] | None:
    """Return what tells an open file from others, its kind first, or None if the descriptor is not open."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_mode, status.st_dev, status.st_ino


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


def hear_termination() -> None:
    """Let SIGTERM arrive again in this process, which inherited that it is held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TERM)


def sender_of_termination() -> int | None:
    """Return who sent the SIGTERM that was held back, or None if there was none; asks once."""
    received = signal.sigtimedwait(_TERM, 0)
    return None if received is None else received.si_pid
