"""A file of the user's as a raw table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DatasetNotFoundError
from ..raw import RawTable, content_sha256
from .table import READERS

if TYPE_CHECKING:
    from pathlib import Path


def load_file(*, file: Path, target: str | int | None = None) -> RawTable:
    """Return the file's content; its ending chooses the reader.

    Raises
    ------
    DatasetNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as numbers, or ``target`` is not in it.
    ImportError
        If its format needs a package that is not installed.
    """
    if not file.is_file():
        problem = "a folder" if file.is_dir() else "nothing there"
        raise DatasetNotFoundError(f"load_dataset: name must be the path of a file, got {str(file)!r}: {problem}")
    contents = READERS[file.suffix.lower()](file, target, f"load_dataset: {file}")
    return RawTable(
        name=file.name,
        features=contents.features,
        target=contents.target,
        columns=contents.columns,
        target_name=contents.target_name,
        source={
            "kind": "file",
            "where": str(file),
            "path": str(file.absolute()),
            "sha256": content_sha256(contents.columns, contents.features, contents.target),
        },
    )
