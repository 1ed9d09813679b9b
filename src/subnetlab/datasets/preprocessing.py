"""From raw features to the unit rows that the paper assumes, every choice written down.

The order is fixed: missing values are filled, columns are shifted and scaled, the intercept is appended, each
row is divided by its norm. All statistics are those of the rows used for training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..core import checks
from ..core.inputs import SMALLEST

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray

Scaling: TypeAlias = Literal["raw", "centred", "standardised"]
SCALINGS: tuple[str, ...] = ("raw", "centred", "standardised")

OF_FEATURES = ("fill", "shift", "scale", "rounding")  # what `Statistics` says of each column

# A difference from the mean below this share of the column's largest value is rounding, not data.
_ROUNDING = 16 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Preprocessing:
    """The treatment of the data. The paper says nothing of it; the defaults change as little as possible.

    Parameters
    ----------
    scaling : {"raw", "centred", "standardised"}
        Features as given; minus their mean; and divided by their standard deviation.
    centre_target : bool, default False
        Subtract the target's mean.
    intercept : bool, default False
        Append a column of ones before rows are divided by their norm. Rows lose their scale and the network
        has no bias: with this column, the ratio of a row to its scale stays visible.
    impute : bool, default False
        Fill missing values with the mean of their column; without it they are refused. For "crime" it also
        keeps the one column that lacks a single value.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.

    Examples
    --------
    >>> Preprocessing(scaling="standardised")
    Preprocessing(scaling='standardised', centre_target=False, intercept=False, impute=False)
    """

    scaling: Scaling = "raw"
    centre_target: bool = False
    intercept: bool = False
    impute: bool = False

    def __post_init__(self) -> None:
        checks.one_of("Preprocessing", "scaling", self.scaling, SCALINGS)
        for name in ("centre_target", "intercept", "impute"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise TypeError(f"Preprocessing: {name} must be True or False, got {getattr(self, name)!r}")
            object.__setattr__(self, name, bool(getattr(self, name)))


@dataclass(frozen=True, eq=False)
class Statistics:
    """What the training rows say; enough to treat any other rows alike.

    Parameters
    ----------
    fill, shift, scale, rounding : ndarray, shape (d,)
        In place of a missing value; subtracted; divided by; differences that count as zero.
    target_shift : float or ndarray, shape (o,)
        Subtracted from the target.
    """

    fill: FloatArray
    shift: FloatArray
    scale: FloatArray
    rounding: FloatArray
    target_shift: float | FloatArray

    @property
    def constant(self) -> BoolArray:
        """Which columns have one value in all training rows, shape (d,); known if columns are shifted."""
        return self.scale == 0

    def record(self) -> dict[str, list[float]]:
        """Return what the features need, as JSON can hold it, bit by bit."""
        return {name: getattr(self, name).tolist() for name in OF_FEATURES}


def fit(preprocessing: Preprocessing, features: FloatArray, target: FloatArray) -> Statistics:
    """Return the statistics of the training rows.

    Parameters
    ----------
    features : ndarray, shape (n, d)
        At most LARGEST in size, or NaN where missing.
    target : ndarray, shape (n,) or (n, o)
    """
    missing = np.isnan(features)
    present = np.maximum((~missing).sum(axis=0), 1)
    mean = np.where(missing, 0.0, features).sum(axis=0) / present
    mean += np.where(missing, 0.0, features - mean).sum(axis=0) / present  # what rounding took
    target_shift = target.mean(axis=0) if preprocessing.centre_target else 0.0
    zeros, ones = np.zeros_like(mean), np.ones_like(mean)
    if preprocessing.scaling == "raw":
        return Statistics(mean, zeros, ones, zeros, target_shift)
    filled = np.where(missing, mean, features)
    rounding = np.maximum(_ROUNDING * np.abs(filled).max(axis=0), SMALLEST)
    deviation = np.sqrt((_centred(filled, mean, rounding) ** 2).mean(axis=0))
    scale = deviation if preprocessing.scaling == "standardised" else np.where(deviation > 0, ones, zeros)
    return Statistics(mean, mean, scale, rounding, target_shift)


def transform(preprocessing: Preprocessing, statistics: Statistics, features: FloatArray) -> FloatArray:
    """Return the rows, filled, scaled and of norm 1; a row that became zero stays zero.

    Parameters
    ----------
    features : ndarray, shape (n, d)

    Returns
    -------
    ndarray, shape (n, d) or, with an intercept, (n, d + 1)
    """
    X = np.where(np.isnan(features), statistics.fill, features)
    if preprocessing.scaling != "raw":
        X = _centred(X, statistics.shift, statistics.rounding)
        X /= np.where(statistics.constant, 1.0, statistics.scale)
    if preprocessing.intercept:
        X = np.column_stack([X, np.ones(len(X))])
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    zero = norms < SMALLEST
    return np.ascontiguousarray(np.where(zero, 0.0, X / np.where(zero, 1.0, norms)))


def _centred(features: FloatArray, mean: FloatArray, rounding: FloatArray) -> FloatArray:
    """Return features - mean, with zero where the difference is nothing but rounding."""
    difference = features - mean
    difference[np.abs(difference) <= rounding] = 0.0
    return difference
