"""Keeps one worker going: the process that torchrun starts imports torch once and forks the worker proper.

A worker that dies is followed by another within milliseconds, where torchrun would stop and start all of them (seconds
of imports, 30 of them after a SIGSTOP); torchrun itself is left to deal with the loss of a keeper. The others
lose their connections and do the same, and all meet again (`meeting`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_BEAT = 0.25  # seconds
_PAUSE = 0.3  # before the next attempt: time for the others to notice, so that nobody comes to a meeting that is over


def keep(work: Callable[[int], int], *, max_restarts: int, silence: float) -> int:
    """Fork ``work(attempt)`` until it returns 0.

    Parameters
    ----------
    work : callable
        Its result is the exit code of the process; an exception counts as 1.
    max_restarts : int
    silence : float
        A worker that gives no sign of life for so many seconds (SIGSTOP, a machine out of memory) is killed.

    Returns
    -------
    int
        0, or 1 after the last restart failed too.
    """
    for attempt in range(max_restarts + 1):
        if _one_life(work, attempt, silence) == 0:
            return 0
        time.sleep(_PAUSE)
    return 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, so that no worker writes into a job that others resumed."""
    with contextlib.suppress(OSError, AttributeError):  # other systems
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _one_life(work: Callable[[int], int], attempt: int, silence: float) -> int:
    reader, writer = os.pipe()
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _live(work, attempt, writer, keeper)
    os.close(writer)
    while True:
        if not select.select([reader], [], [], silence)[0]:
            os.kill(pid, signal.SIGKILL)
        elif not os.read(reader, 1 << 12):  # the other end is closed: it is dead
            break
    os.close(reader)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _live(work: Callable[[int], int], attempt: int, writer: int, keeper: int) -> None:
    """Be the worker; never returns."""
    code = 1
    try:
        die_with_parent()
        if os.getppid() == keeper:  # it may have died before the line above
            threading.Thread(target=_beat, args=(writer,), daemon=True).start()
            code = work(attempt)
    except BaseException:  # a defect, or a signal: worth another attempt
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # gloo's threads would hold up an orderly exit after a failure


def _beat(writer: int) -> None:
    while True:
        os.write(writer, b".")
        time.sleep(_BEAT)
