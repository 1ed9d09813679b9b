"""NPY and NPZ."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from .contents import FileContents, split_target

if TYPE_CHECKING:
    from pathlib import Path

    from ...core.arrays import FloatArray

_BEGINNINGS = (b"PK", b"\x93NUMPY")  # of NPZ and NPY files


def read_npy(file: Path, target: str | int | None, owner: str) -> FileContents:
    """Read one matrix, features and target in its columns."""
    values = _matrix(_load(file, owner), owner, "the array")
    return split_target(tuple(str(j) for j in range(values.shape[1])), values, target, owner)


def read_npz(file: Path, target: str | int | None, owner: str) -> FileContents:
    """Read the arrays X and y; ``target`` names another key for y, and a sole other array serves as X."""
    archive = _load(file, owner)
    if isinstance(archive, np.ndarray):
        raise ValueError(f"{owner}: must hold arrays by name (numpy.savez), got one array without")
    with archive:
        keys = list(archive)
        y_key = "y" if target is None else target
        if y_key not in keys:
            raise ValueError(f"{owner}: target must name one of its arrays ({', '.join(keys)}), got {y_key!r}")
        others = [key for key in keys if key != y_key]
        x_key = "X" if "X" in others else others[0] if len(others) == 1 else None
        if x_key is None:
            raise ValueError(f"{owner}: must hold the features in an array X, got {', '.join(keys)}")
        try:
            x, y = archive[x_key], archive[str(y_key)]
        except Exception as error:  # of many kinds: zlib.error, BadZipFile, ValueError for pickles
            raise ValueError(f"{owner}: must hold plain arrays, got: {error}") from None
    features, outputs = _matrix(x, owner, x_key), _floats(y, owner, str(y_key))
    if outputs.ndim not in (1, 2) or len(outputs) != len(features) or outputs.size == 0:
        raise ValueError(f"{owner}: {y_key} must have shape ({len(features)},), got {outputs.shape}")
    if outputs.ndim == 2 and outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    return FileContents(tuple(str(j) for j in range(features.shape[1])), features, outputs, str(y_key))


def _load(file: Path, owner: str) -> Any:
    content = file.read_bytes()
    if not content.startswith(_BEGINNINGS):  # NumPy would take it for a pickle, and say how to trust it
        raise ValueError(f"{owner}: must be a whole file of plain arrays, got something else")
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)  # from a path, NumPy leaves a broken file open
    except Exception as error:  # of many kinds: EOFError, BadZipFile, ValueError
        raise ValueError(f"{owner}: must be a whole file of plain arrays, got: {error}") from None


def _matrix(values: Any, owner: str, what: str) -> FloatArray:
    matrix = _floats(values, owner, what)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"{owner}: {what} must have shape (n_samples, n_features), got {matrix.shape}")
    return matrix


def _floats(values: Any, owner: str, what: str) -> FloatArray:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        raise ValueError(f"{owner}: {what} must be an array of real numbers, got {_kind(values)}")
    return np.ascontiguousarray(values, dtype=np.float64)


def _kind(values: Any) -> str:
    return f"dtype {values.dtype}" if isinstance(values, np.ndarray) else "several arrays (an NPZ file)"
