"""What `load_dataset` returns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to train on, and where they come from.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)
        Rows of Euclidean norm 1.
    y : ndarray of float64, shape (n,) or, from an NPZ file with several targets, (n, o)
    name : str
        The dataset that it is: "crime" or "diabetes" where "auto" was asked for.
    provenance : dict
        Everything needed to make the same arrays again, as JSON can hold it; docs/data.md explains each key.
    X_validation, y_validation : ndarray, optional
        Other rows of the same data, treated with the statistics of the training rows.
    """

    X: FloatArray
    y: FloatArray
    name: str
    provenance: dict[str, Any]
    X_validation: FloatArray | None = None
    y_validation: FloatArray | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the shapes and bits of all arrays, 64 hexadecimal digits: equal data, wherever they came from."""
        content = hashlib.sha256()
        for array in (self.X, self.y, self.X_validation, self.y_validation):
            if array is not None:
                content.update(repr(array.shape).encode())
                content.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return content.hexdigest()
