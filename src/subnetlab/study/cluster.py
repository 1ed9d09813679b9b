"""Worker processes on several machines, by dask.distributed (the extra ``cluster``).

This process stays the only one that writes; workers send results back. A worker that dies is the scheduler's to
handle: it runs the work elsewhere, and gives up after its own number of tries (three by default).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

_PER_THREAD = 2  # pieces of work per worker thread, so that none waits for the network
_PATIENCE = "30 s"


class ClusterPool:
    """The workers of a dask scheduler; those that join later are used too.

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
        """Withdraw what is not finished; the workers are others' and live on."""
        self._executor.shutdown(wait=not at_once)
        self._close()

    def _close(self) -> None:
        if self._own:
            self._client.close()
