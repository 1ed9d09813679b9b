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

PARENT = "SUBNETLAB_PARENT"  # in the environment: who started this process
FAILED = 2  # exit code of work that another attempt would not help

_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)  # Linux
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_BEAT = 0.25  # seconds
_PAUSE = 0.3  # before the next attempt: time for the others to notice, so that nobody comes to a meeting that is over


def keep(work: Callable[[int], int], *, max_restarts: int, silence: float) -> int:
    """Fork ``work(attempt)`` until it returns 0 or `FAILED`.

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
        What it returned, or 1 after the last restart failed too.
    """
    for attempt in range(max_restarts + 1):
        if (code := _one_life(work, attempt, silence)) in (0, FAILED):
            return code
        time.sleep(_PAUSE)
    return 1


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies, so that no worker writes into a job that others resumed."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


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
        die_with_parent(keeper)
        threading.Thread(target=_beat, args=(writer,), daemon=True).start()
        code = work(attempt)
    except BaseException:  # a defect, or a signal: worth another attempt
        with contextlib.suppress(OSError):  # the log may be on a full disk
            traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # gloo's threads would hold up an orderly exit after a failure


def _beat(writer: int) -> None:
    while True:
        os.write(writer, b".")
        time.sleep(_BEAT)
