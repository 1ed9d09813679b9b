"""Optional measures of the whole network, taken before round 0 and after each aggregation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.losses import LOSSES

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.losses import LossName
    from ..core.network import ShallowReLU
    from .data import TrainingData
    from .run import Diagnostic

DIAGNOSTICS: tuple[Diagnostic, ...] = ("patterns", "movement")


class StateMeasures:
    """The measures that a run was asked for, against its initial network."""

    def __init__(
        self,
        initial: ShallowReLU,
        data: TrainingData,
        selection_prob: float,
        diagnostics: tuple[Diagnostic, ...],
        loss: LossName = "squared",
    ) -> None:
        self._initial = initial
        self._data = data
        self._xi = selection_prob
        self._diagnostics = diagnostics
        self._loss = LOSSES[loss]
        self._patterns = initial.weights @ data.X.T >= 0 if "patterns" in diagnostics else None

    @property
    def needed(self) -> bool:
        """Whether there is anything to measure (weights are copied out of the engine for it)."""
        return bool(self._diagnostics) or self._data.X_validation is not None

    def measure(self, weights: FloatArray, signs: FloatArray) -> dict[str, float]:
        """Return each measure of the network with these weights and signs, by its name in the history."""
        measures: dict[str, float] = {}
        data = self._data
        if data.X_validation is not None and data.y_validation is not None:
            activations = np.maximum(data.X_validation @ weights.T, 0)
            u = (self._xi / np.sqrt(len(weights))) * (activations @ signs)
            measures["validation_error"] = float(np.sum(self._loss.error(u, data.y_validation)))
        if self._patterns is not None:
            measures["pattern_change"] = float(np.mean((weights @ data.X.T >= 0) != self._patterns))
        if "movement" in self._diagnostics:
            moved = np.linalg.norm(weights - self._initial.weights, axis=1)
            measures["weight_movement"] = float(moved.max())
        return measures
