"""Keeps one worker going: the process that torchrun forks, its agent, has torch in memory and forks the worker proper.

A worker that dies is followed by another within milliseconds, where torchrun would stop and start all of them (30 s
after a SIGSTOP); torchrun itself is left to deal with the loss of an agent. The others lose their connections and do
the same, and all meet again (`rendezvous`).
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import select
import signal
import stat
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, NoReturn

from .inheritance import (
    descriptors,
    die_with_parent,
    hear_termination,
    keep_from_forks,
    sender_of_termination,
    termination_held_back,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 113  # exit code of work that another attempt would not help; one that no library uses
LOST = 114  # exit code of work that ended because of others

_BEAT = 0.25  # seconds
_QUESTION = 1.0  # seconds between questions to the store
_PROGRESS = b"+"
_MOST_LOSSES = 100  # in a row without anything completed: others that never work together with this one
_PAUSE = 0.3  # before the next attempt: the others notice, so that no worker joins a rendezvous that has closed


def keep(
    work: Callable[[int, Progress], int],
    *,
    max_restarts: int,
    silence: float,
    stop: Callable[[], None] = lambda: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Fork ``work(attempt, progress)`` until it returns 0 or `FAILED`.

    Parameters
    ----------
    work : callable
        Its result is the exit code of the process; an exception counts as 1. It calls ``progress()`` when something
        was completed that the next attempt will not do again: failures are counted from there. See `Progress`.
    max_restarts : int
        How often work may fail in a row. The loss of others, `LOST`, does not count: they have counts of their own.
    silence : float
        A worker that gives no sign of life for so many seconds (SIGSTOP, a machine out of memory) is killed, and one
        that is at work and takes no step for so long ends itself.
    stop : callable
        Is called when a process other than the parent sends SIGTERM; SIGTERM from the parent ends this process.
    meanwhile : callable
        Is called here while an attempt goes on, after its first ``progress()``: to prepare for the next one.

    Returns
    -------
    int
        The last result of ``work``: 0, `FAILED`, or, after its last restart, 1 or `LOST`.
    """
    keep_from_forks(descriptors(stat.S_ISFIFO))  # by a pipe the parent sees that this process lives
    failures, attempt = {1: 0, LOST: 0}, 0
    most = {1: max_restarts, LOST: max(max_restarts, _MOST_LOSSES)}
    with termination_held_back():
        while True:
            code, progressed = _one_life(work, attempt, silence, stop, meanwhile)
            if code in (0, FAILED):
                return code
            if progressed:
                failures = dict.fromkeys(failures, 0)
            kind = code if code == LOST else 1
            failures[kind] += 1
            if failures[kind] > most[kind]:
                return kind
            attempt += 1
            time.sleep(_PAUSE)


def _one_life(
    work: Callable[[int, Progress], int],
    attempt: int,
    silence: float,
    stop: Callable[[], None],
    meanwhile: Callable[[], None],
) -> tuple[int, bool]:
    """Return the exit code of one attempt, and whether it completed anything."""
    reader, writer = os.pipe()
    agent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _live(work, attempt, Progress(writer, silence), agent)
    os.close(writer)
    with contextlib.suppress(OSError):  # it says so itself, too: whoever comes first
        os.setpgid(pid, pid)
    try:
        code, progressed = _watch(pid, reader, silence, stop, meanwhile)
    except BaseException:
        _kill(pid)
        raise
    finally:
        os.close(reader)
    if code != 0:
        _kill(pid)  # what it has left behind; until the next line nobody else can have its number
    os.waitpid(pid, 0)
    return code, progressed


def _watch(
    pid: int, reader: int, silence: float, stop: Callable[[], None], meanwhile: Callable[[], None]
) -> tuple[int, bool]:
    """Return the exit code of a process, and whether it completed anything.

    Its end is seen at the process itself, not at its pipe, which processes that it has started may hold open.
    """
    os.set_blocking(reader, False)
    death = _death_of(pid)
    watched, progressed, heard = [reader, *death], False, time.monotonic()
    try:
        while True:
            end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if said := _said(reader, watched):
                heard = time.monotonic()
                if _PROGRESS in said and not progressed:
                    progressed = True
                    meanwhile()
            if end is not None:
                return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status, progressed
            if time.monotonic() - heard > silence:
                _kill(pid)
            if (sender := sender_of_termination()) == os.getppid():
                _kill(pid)  # torchrun begins again with all agents
                os._exit(1)
            elif sender is not None:
                stop()
            select.select(watched, [], [], _BEAT)
    finally:
        for descriptor in death:
            os.close(descriptor)


def _said(reader: int, watched: list[int]) -> bytes:
    """Return what can be read now; a pipe that is closed is not watched any more."""
    try:
        said = os.read(reader, 1 << 16)
    except BlockingIOError:
        return b""
    if not said and reader in watched:
        watched.remove(reader)
    return said


def _death_of(pid: int) -> list[int]:
    """Return a descriptor that is ready when a process has ended; none where Linux is too old, which costs a beat."""
    try:
        return [os.pidfd_open(pid)]
    except (AttributeError, OSError):
        return []


def _kill(pid: int) -> None:
    """Kill a worker that nobody has waited for yet, and whatever it has started that has not left its group."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


class Progress:
    """How a worker tells its agent that it lives, and that it has completed something.

    Parameters
    ----------
    writer : int
        The agent reads at the other end.
    silence : float
        Seconds.
    """

    def __init__(self, writer: int, silence: float) -> None:
        self._writer, self._silence = writer, silence
        self._since = math.inf

    def __call__(self) -> None:
        """Tell that something was completed."""
        os.write(self._writer, _PROGRESS)

    def at_work(self, works: bool) -> None:
        """Note that a step was taken, and whether another one will follow: only then is a silence a failure."""
        self._since = time.monotonic() if works else math.inf

    def watch(self) -> None:
        """Give signs of life until the worker ends, or takes no step for too long: then end it."""
        while time.monotonic() - self._since < self._silence:
            os.write(self._writer, b".")
            time.sleep(_BEAT)
        _end_here(f"no local step for {self._silence:g} s", 1)


def end_when_left(left: Callable[[], bool], grace: float) -> None:
    """End this process if it is still there some time after the others have begun again without it: it hangs.

    What it does then is in vain, however useful it may be, because all begin again at the last checkpoint. But what it
    is about to complete (a download) may spare the next attempt the time for which the others have not waited.

    Parameters
    ----------
    left : callable
        Is asked now and then, in a thread.
    grace : float
        Seconds.
    """

    def watch() -> None:
        while not left():
            time.sleep(_QUESTION)
        time.sleep(grace)
        _end_here(f"the others have begun again without this worker, and {grace:g} s later it was", LOST)

    threading.Thread(target=watch, daemon=True).start()


def _end_here(why: str, code: int) -> NoReturn:
    """End this process from a thread; say where the others are."""
    with contextlib.suppress(OSError, ValueError):  # the log may be on a full disk
        print(f"{why}, here:", file=sys.stderr, flush=True)
        faulthandler.dump_traceback()
    os._exit(code)


def _live(work: Callable[[int, Progress], int], attempt: int, progress: Progress, agent: int) -> None:
    """Be the worker; never returns."""
    code = 1
    try:
        die_with_parent(agent)
        os.setpgid(0, 0)
        os.register_at_fork(after_in_child=hear_termination)  # with it libraries end what they have forked
        threading.Thread(target=progress.watch, daemon=True).start()
        code = work(attempt, progress)
    except BaseException:  # a defect, or a signal: worth another attempt
        with contextlib.suppress(OSError):  # the log may be on a full disk
            traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # gloo's threads would hold up an orderly exit after a failure
