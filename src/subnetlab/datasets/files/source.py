"""A file of the user's as a raw table, and the formats by the ending of its name."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ...input_file import open_input
from ..raw import RawTable, content_sha256
from ..search import DatasetNotFoundError
from .arrays import read_npy, read_npz
from .contents import ColumnChoice, identifiers, split_target
from .parquet import read_parquet
from .text import read_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO

    from .contents import Kind, Table

TABLES: dict[str, Callable[[IO[bytes], Callable[[str], Kind], str], Table]] = {
    ".csv": read_text,
    ".tsv": read_text,
    ".parquet": read_parquet,
    ".npy": read_npy,
}
READERS = (*TABLES, ".npz")
"""The endings of the files that can be read; NPZ holds two arrays and no table."""


def load_file(
    *, file: Path, target: str | int | None = None, drop: tuple[str, ...] = (), categorical: tuple[str, ...] = ()
) -> RawTable:
    """Return the file's content; its ending chooses the reader.

    Raises
    ------
    DatasetNotFoundError
        If there is no such file.
    FileContentError
        If it cannot be read as numbers.
    ValueError
        If ``target``, or a column that ``drop`` or ``categorical`` name, is not in it.
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
        choice, owner = ColumnChoice(target, drop, categorical), f"load_dataset: {file}"
        if (ending := file.suffix.lower()) in TABLES:
            contents = split_target(TABLES[ending](content, choice.kind, owner), choice, owner)
        else:
            contents = read_npz(content, choice, owner)
    notices = tuple(
        f"load_dataset: {file}: column {name!r} holds whole numbers above 2^53, which float64 cannot tell apart; "
        "leave it out (drop) if it is an identifier"
        for name in contents.inexact
    ) + tuple(
        f"load_dataset: {file}: column {name!r} numbers the rows, each with a whole number of its own; leave it out if "
        "it is an identifier (drop)"
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
        categories=dict(contents.categories),
        notices=notices,
    )
