"""What execution needs of the processes that run cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future


class Pool(Protocol):
    """Worker processes, on this machine (`local`) or several (`cluster`)."""

    @property
    def crashes(self) -> tuple[type[BaseException], ...]:
        """The errors by which a future says that its worker process died."""
        ...

    @property
    def tries(self) -> int:
        """How often a cell may take its worker down until it counts as failed."""
        ...

    def capacity(self) -> int:
        """Return how many pieces of work may be under way at present."""
        ...

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Start a piece of work; at most `capacity` at a time."""
        ...

    def done(self, future: Future[Any]) -> None:
        """Take note that a future ended, so that its place is free again."""
        ...

    def stop(self, *, at_once: bool) -> None:
        """End all workers, ``at_once`` in the middle of their work; none is left when this returns."""
        ...
