"""A dataset as its source holds it, before rows are drawn and treated."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class RawTable:
    """All rows of one source.

    Parameters
    ----------
    name : str
        The dataset's name.
    features : ndarray of float64, shape (N, d)
        NaN where a value is missing.
    target : ndarray of float64, shape (N,) or (N, o)
    columns : tuple of d str
        The names of the features.
    target_name : str
        What the target is, with its unit or scale.
    source : dict
        Where it was found; JSON-able.
    left_out : dict
        Columns of the source that are not among the features, each with the reason.
    why : str, optional
        Why this dataset, where the user left the choice.
    """

    name: str
    features: FloatArray
    target: FloatArray
    columns: tuple[str, ...]
    target_name: str
    source: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)
    why: str | None = None


def content_sha256(columns: tuple[str, ...], features: FloatArray, target: FloatArray) -> str:
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
