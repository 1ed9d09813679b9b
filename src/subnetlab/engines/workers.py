"""The threads of one engine: independent pieces of a round side by side, results in the order of the pieces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Workers:
    """``threads`` threads; no bit of a result depends on which of them ran which piece."""

    def __init__(self, threads: int) -> None:
        self._helpers = threads - 1  # the caller works, too
        self._pool = ThreadPoolExecutor(self._helpers) if self._helpers else None

    def map(self, function: Callable[[Any], Any], pieces: Iterable[Any]) -> list[Any]:
        """Return the results of ``function`` on the pieces; compiled functions and BLAS release the lock.

        Each thread takes the next piece that is left. A task of the pool for each piece would cost as much as a small
        piece does.
        """
        if self._pool is None:
            return [function(piece) for piece in pieces]
        pieces = list(pieces)
        results: list[Any] = [None] * len(pieces)
        left = iter(range(len(pieces)))  # whose next() is one step for the interpreter

        def work() -> None:
            for i in left:
                results[i] = function(pieces[i])

        # in the caller's context, which holds what NumPy does about floating-point errors
        tasks = [self._pool.submit(copy_context().run, work) for _ in range(min(self._helpers, len(pieces) - 1))]
        try:
            work()
        finally:
            for task in tasks:
                task.exception()  # nothing is at work any more when an error leaves
        for task in tasks:
            task.result()
        return results
