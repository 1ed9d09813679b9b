"""The worker processes that run cells: an executor per job on this machine, or a dask scheduler.

loky can run many workers under one executor, but then one dead worker aborts the work of all and leaves open
which cell killed it. Here each executor has a single worker, so a crash names its cells.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from .data import give

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    from .data import DatasetSpec, StudyData

_WATCH_EVERY = 0.2  # seconds
_PR_SET_PDEATHSIG = 1  # of prctl(2)
_SAFE_PATH = "PYTHONSAFEPATH"  # as the option -P
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS")
_PER_THREAD = 2  # tasks per worker thread, so that none waits for the network
_PATIENCE = "30 s"


Pool: TypeAlias = "ThisProcess | LocalPool | ClusterPool"
"""Where cells run.

`capacity` says how many tasks may run at present, `submit` starts one, `done` is told of each future that has ended,
and `stop` ends all workers, ``at_once`` in the middle of their work; none is left when it returns. ``crashes`` are the
errors that mean that a worker died, ``tries`` is how many times a cell may crash its worker before it counts as failed.
"""


def why_no_workers() -> str | None:
    """Return why this process can start no worker processes, or None if it can."""
    if multiprocessing.current_process().daemon:
        return "this process is a daemon, which may have no children"
    try:
        multiprocessing.get_context("fork").Lock()  # as the workers' queues need it
    except (OSError, ImportError) as error:
        return f"no semaphore can be made, for which Linux needs /dev/shm to be there, writable and not full ({error})"
    return None


class ThisProcess:
    """The pool where no worker can be started: each task runs in this process when it is submitted."""

    crashes: tuple[type[BaseException], ...] = ()
    tries = 3

    def capacity(self) -> int:
        """Return one."""
        return 1

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run the function."""
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future

    def done(self, future: Future[Any]) -> None:
        """Do nothing."""

    def stop(self, *, at_once: bool) -> None:
        """Do nothing."""


class LocalPool:
    """Worker processes on this machine, each on one thread, started when first needed.

    Parameters
    ----------
    jobs : int
    data : mapping of DatasetSpec to StudyData
        What every worker is handed at its start, to spare it the loading.
    """

    crashes = (BrokenProcessPool,)
    tries = 3

    def __init__(self, jobs: int, data: Mapping[DatasetSpec, StudyData] | None = None) -> None:
        self._jobs = jobs
        self._data = dict(data or {})
        self._free: list[ProcessPoolExecutor] = []
        self._busy: dict[Future[Any], ProcessPoolExecutor] = {}

    def capacity(self) -> int:
        """Return the number of jobs."""
        return self._jobs

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run the function in a free worker, starting one if there is none."""
        with _safe_path():
            executor = self._free.pop() if self._free else _start(self._data)
            future = executor.submit(function, *arguments)
        self._busy[future] = executor
        return future

    def done(self, future: Future[Any]) -> None:
        """Free the worker, or clear up after one that died."""
        executor = self._busy.pop(future)
        if isinstance(future.exception(), self.crashes):
            executor.shutdown(wait=True, kill_workers=True)
        else:
            self._free.append(executor)

    def stop(self, *, at_once: bool) -> None:
        """End all workers."""
        for executor in (*self._free, *self._busy.values()):
            executor.shutdown(wait=True, kill_workers=at_once)
        self._free.clear()
        self._busy.clear()


def _start(data: Mapping[DatasetSpec, StudyData]) -> ProcessPoolExecutor:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    return ProcessPoolExecutor(
        max_workers=1,
        initializer=_prepare_worker,
        initargs=(os.getpid(), data),
        env=dict.fromkeys((*_THREADS, _SAFE_PATH), "1"),
    )


@contextmanager
def _safe_path() -> Iterator[None]:
    """Let the processes that are started meanwhile import nothing from the current folder.

    They start as ``python -m`` and ``python -c``, which look there first: a file ``random.py`` of the user's would be
    run. That holds for the worker, and for the processes that look after its semaphores.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def _prepare_worker(parent: int, data: Mapping[DatasetSpec, StudyData]) -> None:
    """Take over the data, leave Ctrl-C to the parent, and end at once if the parent dies, however it does.

    Linux sends the signal by itself. The thread does for other systems, and where the parent died before.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    give(data)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_EVERY)
        os._exit(1)

    threading.Thread(target=watch, name="parent watchdog", daemon=True).start()


class ClusterPool:
    """The workers of a dask scheduler (the extra ``cluster``); those that join later are used too.

    The scheduler handles a worker that dies: it runs the task on another, and gives up after its own number of tries
    (three by default).

    Parameters
    ----------
    address : str or distributed.Client
        Such as "tcp://10.0.0.1:8786".

    Raises
    ------
    ImportError
        If the extra is not installed.
    ValueError
        If the address has no port.
    OSError
        If there is no scheduler, or it has no worker within half a minute.
    """

    tries = 1

    def __init__(self, address: Any) -> None:
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise ImportError("execute: cluster needs dask: pip install 'subnetlab[cluster]'") from error
        self._own = isinstance(address, str)
        if self._own and not address.rpartition(":")[2].isdigit():  # the client would wait a minute to say so
            raise ValueError(f"execute: cluster must be an address such as tcp://10.0.0.1:8786, got {address!r}")
        self._client: Any = Client(address, timeout=_PATIENCE, set_as_default=False) if self._own else address
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            self._close()
            raise TimeoutError(
                f"execute: the scheduler at {address} must have workers, got none in {_PATIENCE}"
            ) from error
        self._executor: Any = self._client.get_executor(pure=False, retries=0)
        self.crashes: tuple[type[BaseException], ...] = (KilledWorker,)

    def capacity(self) -> int:
        """Return twice the number of worker threads at present, at least one."""
        return max(1, _PER_THREAD * sum(self._client.nthreads().values()))

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Hand the function to the scheduler."""
        return self._executor.submit(function, *arguments)

    def done(self, future: Future[Any]) -> None:
        """Do nothing: the scheduler knows."""

    def stop(self, *, at_once: bool) -> None:
        """Withdraw what is not finished; the workers belong to the scheduler and keep running."""
        self._executor.shutdown(wait=not at_once)
        self._close()

    def _close(self) -> None:
        if self._own:
            self._client.close()
