"""A file of the user's as a raw table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...input_file import check_input
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
    try:
        check_input(file, owner="load_dataset", argument="name")
    except PermissionError:
        raise
    except OSError as error:
        raise DatasetNotFoundError(str(error)) from None
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
