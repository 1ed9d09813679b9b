"""A dataset as its source holds it, before rows are drawn and treated."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class RawTable:
    """All rows of one source.

    Parameters
    ----------
    name : str
        The dataset's name.
    features : ndarray, shape (N, d)
        float64, NaN where a value is missing; or whole numbers that count in ``1 / unit``.
    target : ndarray, shape (N,) or (N, o)
        float64, or int64 class labels.
    columns : tuple of d str
        The names of the features.
    target_name : str
        What the target is, with its unit or scale.
    source : dict
        Where it was found; JSON-able.
    left_out : dict
        Columns of the source that are not among the features, each with the reason.
    categories : dict
        The values of each column that became one feature per value.
    why : str, optional
        Why this dataset, where the user left the choice.
    notices : tuple of str
        What the user must hear of before trusting the data; `load_dataset` warns of it.
    unit : float
        What the features are divided by when they are used: 255 for images of one byte per pixel.
    classes : tuple of str
        The names of the classes that the target numbers; empty if it holds numbers to predict.
    test_features, test_target : ndarray, optional
        The rows that the source keeps apart for testing, shape (N', d) and (N',).
    """

    name: str
    features: np.ndarray
    target: np.ndarray
    columns: tuple[str, ...]
    target_name: str
    source: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    why: str | None = None
    notices: tuple[str, ...] = ()
    unit: float = 1.0
    classes: tuple[str, ...] = ()
    test_features: np.ndarray | None = None
    test_target: np.ndarray | None = None

    def rows(self, chosen: IntArray) -> FloatArray:
        """Return the features of some rows in float64."""
        features = self.features[chosen]
        return features if self.unit == 1 else features / self.unit


def content_sha256(columns: tuple[str, ...], features: np.ndarray, target: np.ndarray) -> str:
    """Return a hash of the parsed content: names and float64 values, whatever file they came from.

    Examples
    --------
    >>> content_sha256(("a",), np.ones((2, 1)), np.zeros(2))[:8]
    '2be2c15c'
    """
    digest = hashlib.sha256(json.dumps([columns, features.shape, target.shape]).encode())
    for array in (features, target):
        values = np.where(np.isnan(array), np.nan, array)  # one bit pattern for every NaN
        digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return digest.hexdigest()
