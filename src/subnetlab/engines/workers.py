"""The threads of one engine: independent pieces of a round side by side, results in the order of the pieces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Workers:
    """``threads`` threads; which piece runs on which of them decides no bit of any result."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._controller = ThreadpoolController()

    def map(self, function: Callable[[Any], Any], pieces: Iterable[Any]) -> list[Any]:
        """Return the results of ``function`` on the pieces; compiled functions and BLAS release the lock."""
        if self._pool is None:
            return [function(piece) for piece in pieces]
        return list(self._pool.map(function, pieces))

    def single_threaded_blas(self) -> Any:
        """Return a context in which each BLAS call is one thread's: its bits depend on no thread count."""
        return self._controller.limit(limits=1, user_api="blas")
