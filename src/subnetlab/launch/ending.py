"""How a script begins and ends: like a program that Python runs, though its process is a fork that ends by os._exit."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import logging
import multiprocessing
import os
import threading
import weakref
from multiprocessing import process, util
from typing import Any, cast

from .inheritance import die_with_parent

_MAIN = multiprocessing.current_process()  # torchrun imports this module before it forks
_BUFFERED = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def forget_exit_functions() -> None:
    """Forget what the libraries of this fork do at its end; only what is asked for from now on will be done.

    They would take back what a worker needs for its last messages, which follow the script's own exit functions.
    """
    finalize = cast("Any", weakref.finalize)
    for made in list(finalize._registry):
        made.atexit = False
    finalize._registered_with_atexit = False  # the next one registers
    atexit._clear()
    atexit.register(logging.shutdown)
    atexit.register(cast("Any", util)._exit_function)


def begin_like_a_program() -> None:
    """Make this process the main one for multiprocessing, as it is in a script that was not forked."""
    if multiprocessing.parent_process() is not None:
        of_processes = cast("Any", process)
        of_processes._current_process, of_processes._parent_process = _MAIN, None
        multiprocessing.set_start_method(cast("Any", None), force=True)  # the script may choose
    else:  # torchrun has not forked the agent, which needs them for its own end
        forget_exit_functions()
    _let_children_die_with_this()


def _let_children_die_with_this() -> None:
    """Let what multiprocessing forks die with this process, however it ends; what was forked otherwise may go its way.

    Linux takes the end of a thread that has forked for the end of the process, so this is for the main thread alone.
    """
    by_main_thread = threading.Event()

    def note() -> None:
        this, main = threading.current_thread(), threading.main_thread()
        (by_main_thread.set if this is main else by_main_thread.clear)()

    def bind(_: object) -> None:
        if by_main_thread.is_set() and (parent := multiprocessing.parent_process()) is not None and parent.pid:
            die_with_parent(parent.pid)

    os.register_at_fork(before=note)
    util.register_after_fork(_let_children_die_with_this, bind)


def end_like_a_program(status: str) -> None:
    """Wait for threads, run exit functions, end daemon processes; what is left, the interpreter's end, is not safe.

    A script that was stopped has told neither threads nor processes to end, for which Python would wait; from a
    terminal the processes would have got the signal, too.
    """
    if status == "stopped":
        for child in multiprocessing.active_children():
            child.terminate()
    else:
        cast("Any", threading)._shutdown()
    atexit._run_exitfuncs()


def write_what_is_open() -> None:
    """Write what open files hold back, and end what nobody can reach any more."""
    for held in gc.get_objects():
        if issubclass(type(held), _BUFFERED):
            with contextlib.suppress(OSError, ValueError):  # closed, only read, or on a full disk
                held.flush()
    gc.collect()  # it closes files in any order, also those whose text is not written yet: so not before
