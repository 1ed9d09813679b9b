"""What `load_dataset` returns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to train on, and where they come from.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)
        Rows of Euclidean norm 1. Images that no `Preprocessing` was asked for: float32 pixels in [0, 1].
    y : ndarray of float64, shape (n,) or, from an NPZ file with several targets, (n, o)
        Or int64 labels, shape (n,), where there are ``classes``.
    name : str
        The dataset that it is: "crime" or "diabetes" where "auto" was asked for.
    provenance : dict
        Everything needed to make the same arrays again, as JSON can hold it; docs/data.md explains each key.
    X_validation, y_validation : ndarray, optional
        Other rows of the same data, treated with the statistics of the training rows.
    test_X, test_y : ndarray, optional
        The rows that the source keeps apart for testing, treated alike; all of them, however many rows were drawn.
    classes : tuple of str
        The names of the classes, in the order of the labels; empty if ``y`` holds numbers to predict.
    """

    X: np.ndarray
    y: np.ndarray
    name: str
    provenance: dict[str, Any]
    X_validation: np.ndarray | None = None
    y_validation: np.ndarray | None = None
    test_X: np.ndarray | None = None  # noqa: N815  X as in the equations
    test_y: np.ndarray | None = None
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        more = "".join(
            f", {len(array)} {what} rows"
            for what, array in (("validation", self.X_validation), ("test", self.test_X))
            if array is not None
        )
        kind = f"{len(self.classes)} classes" if self.classes else f"targets {self.y.shape}"
        return f"Dataset({self.name!r}, X {self.X.shape}, {kind}{more})"

    @property
    def digest(self) -> str:
        """SHA-256 of the shapes and bits of all arrays, 64 hexadecimal digits: equal data, wherever they came from."""
        content = hashlib.sha256()
        for array in (self.X, self.y, self.X_validation, self.y_validation, self.test_X, self.test_y):
            if array is not None:
                content.update(repr(array.shape).encode())
                content.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return content.hexdigest()
