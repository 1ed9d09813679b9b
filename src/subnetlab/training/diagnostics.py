"""What a run measures of the whole network: optional diagnostics of its states, and the scale of its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.losses import LOSSES
from ..core.network import activations, network_output

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.losses import LossName
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme
    from .request import Diagnostic, TrainingData


_DIVERGED = 1e10  # times the scale of the start


@dataclass(eq=False)
class StateMeasures:
    """The measures that a run was asked for, against its initial network."""

    initial: ShallowReLU
    data: TrainingData
    selection_prob: float
    diagnostics: tuple[Diagnostic, ...]
    loss: LossName

    def __post_init__(self) -> None:
        self._patterns = self.initial.weights @ self.data.X.T >= 0 if "patterns" in self.diagnostics else None

    @property
    def needed(self) -> bool:
        """Whether there is anything to measure (weights are copied out of the engine for it)."""
        return bool(self.diagnostics) or self.data.X_validation is not None

    def measure(self, weights: FloatArray, signs: FloatArray) -> dict[str, float]:
        """Return each measure of the network with these weights and signs, by its name in the history."""
        measures: dict[str, float] = {}
        data = self.data
        if data.X_validation is not None and data.y_validation is not None:
            u = network_output(data.X_validation, weights, signs, self.selection_prob)
            measures["validation_error"] = float(np.sum(LOSSES[self.loss].error(u, data.y_validation)))
        if self._patterns is not None:
            measures["pattern_change"] = float(np.mean((weights @ data.X.T >= 0) != self._patterns))
        if "movement" in self.diagnostics:
            moved = np.linalg.norm(weights - self.initial.weights, axis=1)
            measures["weight_movement"] = float(moved.max())
        return measures


def starting_scale(network: ShallowReLU, data: TrainingData, scheme: TrainingScheme, loss: LossName) -> float:
    """Return the scale against which divergence is judged: the largest of three energies.

    |y|^2, |y - u_0|^2 (or the errors of 0 and u_0 under another loss) and (1/m) sum_{i,r} a_r^2 relu(<w_r, x_i>)^2,
    the size of a subnetwork's departure from u_0.
    """
    s = np.ones(len(data.X)) if data.sample_weight is None else data.sample_weight
    s = s.reshape(-1, *[1] * (data.y.ndim - 1))
    error = LOSSES[loss].error
    u = network.output(data.X, scheme.masks.selection_prob)
    departs = departure(data.X, network.weights, network.output_weights, network.width)
    energies = (error(np.zeros_like(u), data.y), error(u, data.y), departs)
    return max(float(np.sum(s * energy)) for energy in energies)


def departure(X: FloatArray, weights: FloatArray, output_weights: FloatArray, width: int) -> FloatArray:
    """Return (1/m) sum_r a_r^2 relu(<w_r, x_i>)^2 over some or all neurons of a network, shape (n,) or (n, o)."""
    return activations(X, weights) ** 2 @ output_weights**2 / width


def divergence_limit(owner: str, scale: float) -> float:
    """Return the error above which a run counts as diverged, `starting_scale` given.

    Raises
    ------
    ValueError
        If no error would be above it.
    """
    limit = _DIVERGED * scale
    if not np.isfinite(limit):
        raise ValueError(f"{owner}: errors must start below 1e298, got {scale:.3g}: X, y or W is too large")
    return limit


def has_diverged(errors: FloatArray | float, limit: float) -> bool:
    """Return whether an error is not finite or above the limit."""
    return not np.all(errors <= limit)  # also for NaN
