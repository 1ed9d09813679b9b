"""What the calling program has set decides no bit of a result, and is as it was afterwards.

Bits depend on how many threads BLAS uses, and that number belongs to the process: a run in another Python thread sees
it too. So one gate counts who is inside. Computations that want the same number are inside together; one that wants
another number waits until they have left, and the last to leave puts back what the first one found.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True)
class ProcessSetting:
    """A setting of the whole process, with the value that a computation wants."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    value: Any


@contextmanager
def undisturbed(threads: int | None = None, settings: Iterable[ProcessSetting] = ()) -> Iterator[None]:
    """Compute as in a fresh program, whatever the calling one has set.

    Where the caller asked NumPy to raise floating-point errors, underflows become zeros and the others warnings, as
    they are by default. May be nested, in any order: the innermost number of threads holds. A block that another
    thread's number keeps out waits.

    Parameters
    ----------
    threads : int, optional
        How many threads BLAS uses; None leaves it to whoever is around this block.
    settings : iterable of ProcessSetting
        To hold as well, by whoever wants the same number of threads.

    Examples
    --------
    >>> with np.errstate(all="raise"), undisturbed(threads=1):
    ...     float(np.exp(-1000.0))
    0.0
    """
    harmless = {kind: "ignore" if kind == "under" else "warn" for kind, mode in np.geterr().items() if mode == "raise"}
    with np.errstate(**harmless):  # pyright: ignore[reportArgumentType]
        if threads is None:
            yield
            return
        with _staying(_Stay(threads, (*settings,))):
            yield


@dataclass
class _Stay:
    """A computation's time inside the gate; ``present`` is False while a nested one has another number of threads."""

    threads: int
    settings: tuple[ProcessSetting, ...]
    present: bool = False

    def enter(self) -> None:
        _GATE.enter(self.threads)
        self.present = True
        self.hold()

    def hold(self, more: Iterable[ProcessSetting] = ()) -> None:
        """Hold the settings; also of libraries that were loaded since."""
        _GATE.hold((*_blas_settings(self.threads), *self.settings, *more))

    def leave(self) -> None:
        if self.present:
            self.present = False
            _GATE.leave()


_STAY: ContextVar[_Stay | None] = ContextVar("stay", default=None)


@contextmanager
def _staying(stay: _Stay) -> Iterator[None]:
    outer = _STAY.get()
    if outer is not None and outer.threads == stay.threads:
        outer.hold(stay.settings)
        yield
        return
    if outer is not None:
        outer.leave()  # waiting while holding on to a number would be for ever if the other did the same
    token = _STAY.set(stay)
    try:
        stay.enter()
        with _openmp_threads(stay.threads):
            yield
    finally:
        _STAY.reset(token)
        stay.leave()
        if outer is not None:
            outer.enter()


class _Gate:
    """Lets computations in that agree on the number of threads, others in the order in which they came."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._queue: deque[object] = deque()
        self._inside, self._threads = 0, 0
        self._found: dict[str, tuple[ProcessSetting, Any]] = {}

    def enter(self, threads: int) -> None:
        me = object()
        with self._turn:
            self._queue.append(me)
            try:
                self._turn.wait_for(lambda: self._queue[0] is me and (self._inside == 0 or self._threads == threads))
                self._inside, self._threads = self._inside + 1, threads
            finally:
                self._queue.remove(me)
                self._turn.notify_all()

    def hold(self, settings: Iterable[ProcessSetting]) -> None:
        with self._turn:
            for setting in settings:
                if setting.name not in self._found:
                    self._found[setting.name] = setting, setting.read()
                    setting.write(setting.value)

    def leave(self) -> None:
        with self._turn:
            self._inside -= 1
            if self._inside == 0:
                for setting, found in self._found.values():
                    setting.write(found)
                self._found.clear()
            self._turn.notify_all()

    def forget(self) -> None:
        """Begin anew; for a forked process, in which the threads that were inside do not exist."""
        for setting, found in self._found.values():
            setting.write(found)
        self.__init__()


_GATE = _Gate()
os.register_at_fork(after_in_child=_GATE.forget)


def _blas_settings(threads: int) -> list[ProcessSetting]:
    return [
        ProcessSetting(pool.filepath, pool.get_num_threads, lambda count, pool=pool: _set(pool, count), threads)
        for pool in thread_pools().lib_controllers
        if not _is_openmp(pool)
    ]


def _set(pool: Any, count: int) -> None:
    """Set the number for the whole process, from whichever thread.

    threadpoolctl lets one thread at a time change OpenBLAS and ignores the others, unless they say that it is done.
    """
    others_may = getattr(pool, "clear_controlling_thread", lambda **_: None)
    others_may(force=True)
    pool.set_num_threads(count)
    others_may(force=True)


def _is_openmp(pool: Any) -> bool:
    return pool.user_api == "openmp" or getattr(pool, "threading_layer", None) == "openmp"


@contextmanager
def _openmp_threads(threads: int) -> Iterator[None]:
    """Limit what runs on OpenMP, whose number of threads belongs to the calling thread."""
    pools = [pool for pool in thread_pools().lib_controllers if _is_openmp(pool)]
    found = [pool.get_num_threads() for pool in pools]
    for pool in pools:
        pool.set_num_threads(threads)
    try:
        yield
    finally:
        for pool, count in zip(pools, found, strict=True):
            pool.set_num_threads(count)


def thread_pools() -> ThreadpoolController:
    """Return the pools of all libraries that are loaded.

    Looking through them takes some milliseconds, as long as a small run, so what was found is kept until another
    module is imported.
    """
    return _pools_of(len(sys.modules))


@lru_cache(maxsize=1)
def _pools_of(n_modules: int) -> ThreadpoolController:
    return ThreadpoolController()
