"""Parquet, with pyarrow: the columns of the file and no others, wherever it lies and whoever wrote it."""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ...input_file import FileContentError, check_unpacked
from .contents import FileContents, check_names, loses_digits, split_target

if TYPE_CHECKING:
    from ...core.arrays import FloatArray

_INDEX = re.compile(r"__index_level_\d+__")  # row labels of pandas, where its metadata are lost
_LABELS = "row labels that pandas stored"


def read_parquet(file: IO[bytes], target: str | int | None, owner: str) -> FileContents:
    """Read all columns but the row labels of pandas.

    The footer says how much there is: names, types and sizes are checked before any column is read. The file is
    opened as one file, not as a part of a dataset, where pyarrow makes columns from the names of folders.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    FileContentError
        If the file cannot be read, a column holds no numbers, or it claims to hold far too many.
    ValueError
        If ``target`` is none of its columns.
    """
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise ImportError("reading Parquet needs pyarrow: pip install 'subnetlab[parquet]'") from None
    try:
        source = parquet.ParquetFile(file)
        schema, n_rows = source.schema_arrow, _rows(source.metadata)
        labels = {name for name in schema.names if _INDEX.fullmatch(name)} | _label_columns(schema)
    except MemoryError:
        raise
    except Exception as error:  # damage makes pyarrow raise half a dozen types
        raise FileContentError(f"{owner}: must be a whole Parquet file, got: {error}") from None
    positions = [j for j, name in enumerate(schema.names) if name not in labels]
    names = tuple(schema.names[j] for j in positions)
    if not positions or n_rows == 0:
        raise FileContentError(f"{owner}: must have rows and columns, got {n_rows} x {len(positions)}")
    check_names(names, owner)
    for j in positions:
        _check_type(schema.field(j), pyarrow.types, owner)
    check_unpacked(8 * n_rows * len(positions), os.fstat(file.fileno()).st_size, owner)
    try:
        table = source.read(columns=list(names))
        columns = [table.column(name) for name in names]
        inexact = tuple(name for name, column in zip(names, columns, strict=True) if _inexact(column, pyarrow))
        values = np.column_stack([_floats(column, pyarrow) for column in columns])
    except MemoryError:
        raise
    except Exception as error:
        raise FileContentError(f"{owner}: must be a whole Parquet file, got: {error}") from None
    return split_target(names, values, target, owner, inexact=inexact, left_out=dict.fromkeys(sorted(labels), _LABELS))


def _rows(metadata: Any) -> int:
    """Return the number of rows, the larger one where the two places that say it differ."""
    return max(metadata.num_rows, sum(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)))


def _label_columns(schema: Any) -> set[str]:
    """Return the columns that pandas would make row labels of; a description in place of a name is a mere range."""
    described = schema.pandas_metadata or {}
    return {name for name in described.get("index_columns", []) if isinstance(name, str)} & set(schema.names)


def _check_type(field: Any, types: Any, owner: str) -> None:
    kind = field.type
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if not (numeric or types.is_decimal(kind)):
        raise FileContentError(f"{owner}: column {field.name!r} must hold numbers (remove other columns), got {kind}")


def _inexact(column: Any, pyarrow: Any) -> bool:
    if not pyarrow.types.is_integer(column.type):
        return False
    return any(loses_digits(chunk.drop_null().to_numpy(zero_copy_only=False)) for chunk in column.chunks)


def _floats(column: Any, pyarrow: Any) -> FloatArray:
    """Return one column as float64, NaN for null."""
    return column.cast(pyarrow.float64(), safe=False).to_numpy()
