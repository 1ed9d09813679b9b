"""Between a user's units and the network's: features about zero with a constant column, targets of variance one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

_DROWNED = 1e-4  # share of the variance below which half of the features are as good as absent


@dataclass(frozen=True)
class FeatureScaling:
    """Moves features to mean zero, divides all by ONE number, and appends the constant column of an intercept.

    Rows have mean square norm 1 without that column, and its square, 1/d, is what a feature has on average.
    Features are not scaled one by one: that is a pipeline's work, and `warn_about_bad_scaling` says when to do it.

    Parameters
    ----------
    centre : ndarray, shape (d,)
    scale : float
    """

    centre: FloatArray
    scale: float

    @classmethod
    def of(cls, X: FloatArray, sample_weight: FloatArray | None) -> FeatureScaling:
        """Return the scaling for these rows, shape (n, d), and weights, shape (n,); ValueError if it overflows."""
        centre, variance = _moments("FeatureScaling: X", X, sample_weight)
        return cls(centre, _positive(np.sqrt(variance.sum())))

    def transform(self, X: FloatArray) -> FloatArray:
        """Return the network's input, shape (n, d + 1)."""
        features = np.empty((X.shape[0], X.shape[1] + 1))
        np.subtract(X, self.centre, out=features[:, :-1])
        features[:, :-1] /= self.scale
        features[:, -1] = X.shape[1] ** -0.5
        return features


@dataclass(frozen=True)
class TargetScaling:
    """Moves targets to mean zero and variance one, each output by its own.

    Parameters
    ----------
    centre, scale : ndarray, shape () or (o,)
    """

    centre: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, y: FloatArray, sample_weight: FloatArray | None) -> TargetScaling:
        """Return the scaling for these targets, shape (n,) or (n, o); ValueError if it overflows."""
        centre, variance = _moments("TargetScaling: y", y, sample_weight)
        return cls(centre, np.where(variance > 0, np.sqrt(variance), 1.0))

    def transform(self, y: FloatArray) -> FloatArray:
        """Return what the network shall learn."""
        return (y - self.centre) / self.scale

    def inverse(self, output: FloatArray) -> FloatArray:
        """Return the network's output in the user's units."""
        return output * self.scale + self.centre


def warn_about_bad_scaling(X: FloatArray, owner: str) -> None:
    """Warn if half of the features hold next to nothing of the variance, so that they will not be learned."""
    with np.errstate(over="ignore", invalid="ignore"):  # refused by `FeatureScaling.of`
        variance = np.sort(np.var(X, axis=0))
    half = variance[: len(variance) // 2]
    if variance.sum() > 0 and half.any() and half.sum() < _DROWNED * variance.sum():
        warnings.warn(
            f"{owner}: half of the features hold only {half.sum() / variance.sum():.1g} of the variance of X, so the "
            f"others drown them; scale them first: make_pipeline(StandardScaler(), {owner}())",
            UserWarning,
            stacklevel=5,
        )


def _moments(name: str, values: FloatArray, sample_weight: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    with np.errstate(over="ignore", invalid="ignore"):
        centre = np.asarray(np.average(values, axis=0, weights=sample_weight))
        variance = np.asarray(np.average((values - centre) ** 2, axis=0, weights=sample_weight))
    if not np.isfinite(variance.sum()):
        raise ValueError(f"{name} must have a variance below the largest float64, got values up to {abs(values).max()}")
    return centre, variance


def _positive(number: float) -> float:
    return float(number) if number > 0 else 1.0
