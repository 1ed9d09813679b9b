"""Between a user's units and the network's: features about zero with a constant column, targets of variance one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

_CONSTANT = 1e-12  # a column whose deviation is less than this part of its mean is rounding, not information
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
        centre, variance, unit = _moments("FeatureScaling: X", X, sample_weight, together=True)
        return cls(centre, float(_positive(np.sqrt(variance.sum()) * unit)))

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

    An output that was constant has scale 0: the network learns zero, and its constant is predicted exactly.

    Parameters
    ----------
    centre, scale : ndarray, shape () or (o,)
    """

    centre: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, y: FloatArray, sample_weight: FloatArray | None) -> TargetScaling:
        """Return the scaling for these targets, shape (n,) or (n, o); ValueError if it overflows."""
        centre, variance, unit = _moments("TargetScaling: y", y, sample_weight, together=False)
        return cls(centre, np.sqrt(variance) * unit)

    def widened(self, y: FloatArray, sample_weight: FloatArray | None) -> TargetScaling:
        """Return the scaling for more targets: outputs that were constant so far take their scale from these."""
        square, unit = _mean_square(y - self.centre, sample_weight, together=False)
        return TargetScaling(self.centre, np.where(self.scale > 0, self.scale, np.sqrt(square) * unit))

    def transform(self, y: FloatArray) -> FloatArray:
        """Return what the network shall learn."""
        return np.where(self.scale > 0, (y - self.centre) / _positive(self.scale), 0.0)

    def inverse(self, output: FloatArray) -> FloatArray:
        """Return the network's output in the user's units."""
        return output * self.scale + self.centre


def warn_about_bad_scaling(X: FloatArray, sample_weight: FloatArray | None, owner: str) -> None:
    """Warn if half of the features hold next to nothing of the variance, so that they will not be learned.

    Raises
    ------
    ValueError
        If the variance overflows.
    """
    variance = np.sort(_moments("FeatureScaling: X", X, sample_weight, together=True)[1])
    half = variance[: len(variance) // 2]
    if variance.sum() > 0 and half.any() and half.sum() < _DROWNED * variance.sum():
        warnings.warn(
            f"{owner}: half of the features hold only {half.sum() / variance.sum():.1g} of the variance of X, so the "
            f"others drown them; scale them first: make_pipeline(StandardScaler(), {owner}())",
            UserWarning,
            stacklevel=5,
        )


def _moments(
    name: str, values: FloatArray, sample_weight: FloatArray | None, *, together: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return each column's mean, and its variance in squares of a unit, with that unit (`_mean_square`).

    A column that is constant up to the rounding of its mean has variance zero.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        centre = np.asarray(np.average(values, axis=0, weights=sample_weight))
        variance, unit = _mean_square(values - centre, sample_weight, together=together)
        finite = np.isfinite((variance * unit**2).sum())
    if not finite:
        raise ValueError(f"{name} must have a variance below the largest float64, got values up to {abs(values).max()}")
    rounding = max(_CONSTANT, len(values) * np.finfo(float).eps)
    return centre, np.where(np.sqrt(variance) * unit <= rounding * abs(centre), 0.0, variance), unit


def _mean_square(
    deviation: FloatArray, sample_weight: FloatArray | None, *, together: bool
) -> tuple[FloatArray, FloatArray]:
    """Return each column's mean square in squares of a unit, and that unit, of all columns ``together`` or of each.

    The unit is the power of two below the largest deviation: the squares of tiny numbers do not vanish, and those of
    other numbers have the bits that they had without it.
    """
    reach = abs(deviation).max(axis=None if together else 0)
    unit = np.where(reach > 0, np.ldexp(1.0, np.frexp(reach)[1] - 1), 1.0)
    return np.asarray(np.average((deviation / unit) ** 2, axis=0, weights=sample_weight)), unit


def _positive(number: FloatArray) -> FloatArray:
    return np.where(number > 0, number, 1.0)
