"""The one place where an engine's work is kept apart from what the calling program has set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    import numpy as np

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray
    from ..core.record import RoundRecord
    from ..core.rows import LocalRows
    from .base import Engine, SignLearningEngine


class GuardedEngine:
    """An engine whose every method, and whose making, runs in its own surroundings: BLAS threads, error modes.

    Parameters
    ----------
    make : callable
        Makes the engine.
    surroundings : callable
        Returns the context for one call.
    """

    def __init__(self, make: Callable[[], Engine], surroundings: Callable[[], AbstractContextManager[None]]) -> None:
        self._surroundings = surroundings
        with surroundings():
            self.engine = make()

    def start(self, weights: FloatArray) -> Any:
        """See `Engine.start`."""
        with self._surroundings():
            return self.engine.start(weights)

    def round(
        self,
        state: Any,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[Any, RoundRecord]:
        """See `Engine.round`."""
        with self._surroundings():
            return self.engine.round(state, masks, step_size, local_steps, rows=rows, unselected=unselected)

    def weights(self, state: Any) -> FloatArray:
        """See `Engine.weights`."""
        with self._surroundings():
            return self.engine.weights(state)

    def signs(self, state: Any) -> FloatArray:
        """See `SignLearningEngine.signs`."""
        with self._surroundings():
            return cast("SignLearningEngine", self.engine).signs(state)

    def full_error(self, state: Any) -> float:
        """See `Engine.full_error`."""
        with self._surroundings():
            return self.engine.full_error(state)

    def snapshot(self, state: Any) -> dict[str, np.ndarray]:
        """See `Engine.snapshot`."""
        with self._surroundings():
            return self.engine.snapshot(state)

    def restore(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """See `Engine.restore`."""
        with self._surroundings():
            return self.engine.restore(arrays)
