"""A file of the user's as a raw table, and the formats by the ending of its name."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ...input_file import open_input
from ..raw import RawTable, content_sha256
from ..search import DatasetNotFoundError
from .arrays import read_npy, read_npz
from .contents import identifiers
from .parquet import read_parquet
from .text import read_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO

    from .contents import FileContents

READERS: dict[str, Callable[[IO[bytes], str | int | None, str], FileContents]] = {
    ".csv": read_text,
    ".tsv": read_text,
    ".parquet": read_parquet,
    ".npy": read_npy,
    ".npz": read_npz,
}


def load_file(*, file: Path, target: str | int | None = None) -> RawTable:
    """Return the file's content; its ending chooses the reader.

    Raises
    ------
    DatasetNotFoundError
        If there is no such file.
    FileContentError
        If it cannot be read as numbers.
    ValueError
        If ``target`` is not in it.
    ImportError
        If its format needs a package that is not installed.
    """
    with ExitStack() as stack:
        try:
            content = stack.enter_context(open_input(file, owner="load_dataset", argument="name"))
        except PermissionError:
            raise
        except OSError as error:
            raise DatasetNotFoundError(str(error)) from None
        contents = READERS[file.suffix.lower()](content, target, f"load_dataset: {file}")
    notices = tuple(
        f"load_dataset: {file}: column {name!r} holds whole numbers above 2^53, which float64 cannot tell apart; "
        "leave it out if it is an identifier"
        for name in contents.inexact
    ) + tuple(
        f"load_dataset: {file}: column {name!r} numbers the rows, each with a whole number of its own; leave it out if "
        "it is an identifier"
        for name in identifiers(contents.columns, contents.features)
        if name not in contents.inexact
    )
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
        left_out=dict(contents.left_out),
        notices=notices,
    )
