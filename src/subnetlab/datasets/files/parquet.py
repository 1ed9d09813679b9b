"""Parquet, with pyarrow: the columns of the file and no others, wherever it lies and whoever wrote it."""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ...input_file import FileContentError, check_unpacked
from .contents import Table, check_names, in_order, loses_digits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.arrays import FloatArray
    from .contents import Kind

_INDEX = re.compile(r"__index_level_\d+__")  # row labels of pandas, where its metadata are lost
_LABELS = "row labels that pandas stored"


def read_parquet(file: IO[bytes], kind: Callable[[str], Kind], owner: str) -> Table:
    """Read all columns but the row labels of pandas.

    The footer says how much there is: names, types and sizes are checked before any column is read. The file is
    opened as one file, not as a part of a dataset, where pyarrow makes columns from the names of folders.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    FileContentError
        If the file cannot be read, a column holds no numbers and ``kind`` does not say so, or it claims to hold far
        too many.
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
    kinds = {name: kind(name) for name in names}
    for j in positions:
        if kinds[schema.names[j]] == "number":
            _check_type(schema.field(j), pyarrow.types, owner)
    check_unpacked(8 * n_rows * len(positions), os.fstat(file.fileno()).st_size, owner)
    try:
        table = source.read(columns=list(names))
        columns = [table.column(name) for name in names]
        numbers = [(name, column) for name, column in zip(names, columns, strict=True) if kinds[name] == "number"]
        inexact = tuple(name for name, column in numbers if _inexact(column, pyarrow))
        values = np.zeros((n_rows, len(names)))
        categories: dict[str, tuple[str, ...]] = {}
        for j, (name, column) in enumerate(zip(names, columns, strict=True)):
            if kinds[name] == "number":
                values[:, j] = _floats(column, pyarrow)
            elif kinds[name] == "text":
                categories[name], values[:, j] = _categories(column.to_pylist(), name, owner)
    except (MemoryError, FileContentError):
        raise
    except Exception as error:
        raise FileContentError(f"{owner}: must be a whole Parquet file, got: {error}") from None
    return Table(names, values, inexact, dict.fromkeys(sorted(labels), _LABELS), categories)


def _categories(cells: list[Any], name: str, owner: str) -> tuple[tuple[str, ...], FloatArray]:
    """Return the categories of a column of whatever type, and the position of each row's."""
    found: dict[str, int] = {}
    codes = np.array([np.nan if cell is None else found.setdefault(str(cell), len(found)) for cell in cells])
    return in_order(found, codes, name, owner)


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
        raise FileContentError(
            f"{owner}: column {field.name!r} must hold numbers (name others in drop or categorical), got {kind}"
        )


def _inexact(column: Any, pyarrow: Any) -> bool:
    if not pyarrow.types.is_integer(column.type):
        return False
    return any(loses_digits(chunk.drop_null().to_numpy(zero_copy_only=False)) for chunk in column.chunks)


def _floats(column: Any, pyarrow: Any) -> FloatArray:
    """Return one column as float64, NaN for null."""
    return column.cast(pyarrow.float64(), safe=False).to_numpy()
