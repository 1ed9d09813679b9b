"""Loss functions of the network's output: the paper's squared loss, and the logistic loss for classes.

An engine needs two things of a loss: the residual dL/df, which takes the place of f - y in the paper's gradient,
and the error that is recorded. Errors are deviances, twice the loss: |y - f|^2 is twice the paper's 1/2 |y - f|^2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from .arrays import FloatArray

LossName: TypeAlias = Literal["squared", "logistic"]


class Loss(Protocol):
    """A loss that is a sum over rows and outputs. Arrays have shape (n,) or (n, o)."""

    @property
    def curvature(self) -> float:
        """The largest second derivative with respect to f; stable steps are inversely proportional to it."""
        ...

    def residual(self, output: FloatArray, y: FloatArray) -> FloatArray:
        """Return dL/df for each entry."""
        ...

    def error(self, output: FloatArray, y: FloatArray) -> FloatArray:
        """Return twice the loss for each entry."""
        ...

    def total_error(self, output: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> float:
        """Return the sum of the errors, row i counting ``sample_weight[i]`` times."""
        ...

    def check(self, y: FloatArray, *, owner: str, name: str = "y") -> None:
        """Raise ValueError unless the loss is defined for these targets."""
        ...


class Squared:
    """L = 1/2 (y - f)^2 (Section 3)."""

    curvature = 1.0

    def residual(self, output: FloatArray, y: FloatArray) -> FloatArray:
        """Return f - y."""
        return output - y

    def error(self, output: FloatArray, y: FloatArray) -> FloatArray:
        """Return (y - f)^2."""
        return (output - y) ** 2

    def total_error(self, output: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> float:
        """Return |y - f|^2, weighted."""
        if sample_weight is not None:
            return _weighted_sum(self.error(output, y), sample_weight)
        residual = output - y
        return float(np.vdot(residual, residual))

    def check(self, y: FloatArray, *, owner: str, name: str = "y") -> None:
        """Accept all finite targets."""


class Logistic:
    """L = log(1 + e^f) - y f for y in [0, 1]; several outputs are as many separate two-class problems.

    Examples
    --------
    >>> Logistic().residual(np.array([0.0, 1000.0]), np.array([1.0, 1.0]))
    array([-0.5,  0. ])
    """

    curvature = 0.25

    def residual(self, output: FloatArray, y: FloatArray) -> FloatArray:
        """Return 1 / (1 + e^-f) - y; the hyperbolic tangent never overflows."""
        return 0.5 * (1 + np.tanh(0.5 * output)) - y

    def error(self, output: FloatArray, y: FloatArray) -> FloatArray:
        """Return 2 (log(1 + e^f) - y f)."""
        return 2 * (np.logaddexp(0, output) - y * output)

    def total_error(self, output: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> float:
        """Return the deviance, weighted."""
        errors = self.error(output, y)
        return float(np.sum(errors)) if sample_weight is None else _weighted_sum(errors, sample_weight)

    def check(self, y: FloatArray, *, owner: str, name: str = "y") -> None:
        """Raise ValueError unless all targets are in [0, 1]."""
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"{owner}: {name} must be in [0, 1] for the logistic loss, got values from {y.min()} to {y.max()}"
            )


def _weighted_sum(errors: FloatArray, sample_weight: FloatArray) -> float:
    return float(np.tensordot(sample_weight, errors, 1).sum())


LOSSES: dict[LossName, Loss] = {"squared": Squared(), "logistic": Logistic()}
