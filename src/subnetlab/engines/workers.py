"""The threads of one engine: independent pieces of a round side by side, results in the order of the pieces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Workers:
    """``threads`` threads; which piece runs on which of them decides no bit of any result."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def map(self, function: Callable[[Any], Any], pieces: Iterable[Any]) -> list[Any]:
        """Return the results of ``function`` on the pieces; compiled functions and BLAS release the lock."""
        if self._pool is None:
            return [function(piece) for piece in pieces]
        # each piece in the caller's context, which holds what NumPy does about floating-point errors
        futures = [self._pool.submit(copy_context().run, function, piece) for piece in pieces]
        return [future.result() for future in futures]
