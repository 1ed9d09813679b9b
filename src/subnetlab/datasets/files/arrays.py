"""NPY and NPZ: their headers say how much they hold, and are held against the file before memory is taken."""

from __future__ import annotations

import math
import os
import zipfile
from typing import IO, TYPE_CHECKING

import numpy as np

from ...archive import read_header
from ...input_file import FileContentError, check_unpacked
from .contents import ColumnChoice, FileContents, Table, arranged, loses_digits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.arrays import FloatArray
    from .contents import Kind

_NPY = b"\x93NUMPY"
_PLAIN = "must be a whole file of plain arrays"


def read_npy(file: IO[bytes], kind: Callable[[str], Kind], owner: str) -> Table:
    """Read one matrix, features and target in its columns, whose names are their positions."""
    if _begins(file, b"PK"):
        raise FileContentError(f"{owner}: the array must be an array of real numbers, got several arrays (an NPZ file)")
    size = os.fstat(file.fileno()).st_size
    values = _read_array(file, size, size, owner, "the array")
    matrix = _matrix(values, owner, "the array")
    names = tuple(str(j) for j in range(matrix.shape[1]))
    columns = zip(names, values.T, strict=True)
    return Table(names, matrix, tuple(name for name, c in columns if kind(name) == "number" and loses_digits(c)))


def read_npz(file: IO[bytes], choice: ColumnChoice, owner: str) -> FileContents:
    """Read the arrays X and y; ``target`` names another key for y, and a sole other array serves as X."""
    if _begins(file, _NPY):
        raise FileContentError(f"{owner}: must hold arrays by name (numpy.savez), got one array without")
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # damage makes zipfile raise several types
        raise FileContentError(f"{owner}: {_PLAIN}, got: {error}") from None
    with archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        x_key, y_key = _keys(list(members), choice.target, owner)
        on_disk = os.fstat(file.fileno()).st_size
        x, y = (_read_member(archive, members[key], on_disk, owner, key) for key in (x_key, y_key))
    features, outputs = _matrix(x, owner, x_key), np.ascontiguousarray(y, dtype=np.float64)
    if outputs.ndim not in (1, 2) or len(outputs) != len(features) or outputs.size == 0:
        raise FileContentError(f"{owner}: {y_key} must have shape ({len(features)},), got {outputs.shape}")
    if outputs.ndim == 2 and outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    names = tuple(str(j) for j in range(features.shape[1]))
    columns = zip(names, x.T, strict=True)
    inexact = [name for name, column in columns if choice.kind(name) == "number" and loses_digits(column)]
    if loses_digits(y):
        inexact.append(y_key)
    return arranged(Table(names, features, tuple(inexact)), outputs, y_key, choice, owner)


def _begins(file: IO[bytes], mark: bytes) -> bool:
    found = file.read(len(mark))
    file.seek(0)
    return found == mark


def _keys(keys: list[str], target: str | int | None, owner: str) -> tuple[str, str]:
    """Return the names of the features and of the target."""
    y_key = "y" if target is None else target
    if y_key not in keys:
        raise ValueError(f"{owner}: target must name one of its arrays ({', '.join(keys)}), got {y_key!r}")
    others = [key for key in keys if key != y_key]
    if "X" not in others and len(others) != 1:
        raise FileContentError(f"{owner}: must hold the features in an array X, got {', '.join(keys)}")
    return "X" if "X" in others else others[0], str(y_key)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, on_disk: int, owner: str, what: str) -> np.ndarray:
    try:
        with archive.open(member) as file:
            array = _read_array(file, member.file_size, on_disk, owner, what)
            file.read(1)  # at the end, the checksum is compared
            return array
    except (FileContentError, MemoryError):
        raise
    except Exception as error:  # of many kinds: zlib.error, BadZipFile, NotImplementedError
        raise FileContentError(f"{owner}: must hold plain arrays, got: {error}") from None


def _read_array(file: IO[bytes], size: int, on_disk: int, owner: str, what: str) -> np.ndarray:
    """Return an array of real numbers that fits into the ``size`` bytes that the file has, or claims to unpack to."""
    try:
        shape, _, dtype = read_header(file, what)
    except MemoryError:
        raise
    except Exception as error:  # NumPy raises what its parser meets
        raise FileContentError(f"{owner}: {_PLAIN}, got: {error}") from None
    if dtype.kind not in "fiub":
        raise FileContentError(f"{owner}: {what} must be an array of real numbers, got dtype {dtype}")
    expected = file.tell() + math.prod(shape) * dtype.itemsize
    if expected > size:
        raise FileContentError(f"{owner}: {_PLAIN}, got {what} of {expected:,} bytes in {size:,}")
    check_unpacked(8 * math.prod(shape), on_disk, owner)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _matrix(values: np.ndarray, owner: str, what: str) -> FloatArray:
    if values.ndim != 2 or 0 in values.shape:
        raise FileContentError(f"{owner}: {what} must have shape (n_samples, n_features), got {values.shape}")
    return np.ascontiguousarray(values, dtype=np.float64)
