"""Parquet, with pyarrow."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from .contents import FileContents, split_target

if TYPE_CHECKING:
    from pathlib import Path

    from ...core.arrays import FloatArray

_INDEX = re.compile(r"__index_level_\d+__")  # pandas writes its row labels as a column


def read_parquet(file: Path, target: str | int | None, owner: str) -> FileContents:
    """Read all columns but the row labels of pandas.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If the file cannot be read or a column holds no numbers.
    """
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise ImportError("reading Parquet needs pyarrow: pip install 'subnetlab[parquet]'") from None
    try:
        table = parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{owner}: must be a whole Parquet file, got: {error}") from None
    positions = [j for j, name in enumerate(table.column_names) if not _INDEX.fullmatch(name)]
    if not positions or table.num_rows == 0:
        raise ValueError(f"{owner}: must have rows and columns, got {table.num_rows} x {len(positions)}")
    names = tuple(table.column_names[j] for j in positions)
    columns = [_floats(table.column(j), name, pyarrow, owner) for j, name in zip(positions, names, strict=True)]
    return split_target(names, np.column_stack(columns), target, owner)


def _floats(column: Any, name: str, pyarrow: Any, owner: str) -> FloatArray:
    """Return one column as float64, NaN for null."""
    kind, types = column.type, pyarrow.types
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if not (numeric or types.is_decimal(kind)):
        raise ValueError(f"{owner}: column {name!r} must hold numbers (remove other columns), got {kind}")
    return column.cast(pyarrow.float64(), safe=False).to_numpy()
