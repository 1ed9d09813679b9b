"""Worker processes on this machine: one per job, each replaced alone when it dies.

loky can run many workers under one executor, but then one dead worker aborts the work of all and leaves open
which cell killed it. Here each job has an executor with a single worker, so a crash names its cells.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from joblib.externals.loky.process_executor import ProcessPoolExecutor

_WATCH_EVERY = 0.2  # seconds
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS")


class LocalWorker:
    """One worker process, started when first used."""

    def __init__(self) -> None:
        self._executor: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run the function in the worker, starting one if there is none."""
        if self._executor is None:
            self._executor = _start()
        return self._executor.submit(function, *arguments)

    def stop(self) -> None:
        """End the worker, in the middle of its work if need be."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)
            self._executor = None


def _start() -> ProcessPoolExecutor:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    return ProcessPoolExecutor(
        max_workers=1, initializer=_prepare_worker, initargs=(os.getpid(),), env=dict.fromkeys(_THREADS, "1")
    )


def _prepare_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end within a moment if the parent dies, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_EVERY)
        os._exit(1)

    threading.Thread(target=watch, name="parent watchdog", daemon=True).start()
