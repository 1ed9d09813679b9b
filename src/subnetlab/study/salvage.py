"""What to do with a damaged database: keep it under another name, and take over what is still sound."""

from __future__ import annotations

import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .schema import TABLES, row_digest

if TYPE_CHECKING:
    from collections.abc import Iterator


def set_aside(path: Path) -> Path:
    """Rename the database (and its journal) to the first free ``NAME.damaged-N``; return the new path."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    journal = Path(f"{path}-journal")
    if journal.exists():
        os.rename(journal, f"{aside}-journal")
    os.rename(path, aside)
    return aside


def salvage(aside: Path, connection: sqlite3.Connection) -> int:
    """Copy the sound rows of a damaged database into a new one; return the number of results among them."""
    results = 0
    connection.execute("BEGIN IMMEDIATE")
    for table, columns in TABLES.items():
        for values in _sound_rows(aside, table, columns):
            names, given = f"{columns}, digest", [*values, row_digest(*values)]
            if table == "cells":
                names, given = names + ", planned", [*given, 0]
            marks = ", ".join("?" * len(given))
            added = connection.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", given)
            results += added.rowcount if table == "results" else 0
    connection.execute("COMMIT")
    return results


def _sound_rows(path: Path, table: str, columns: str) -> Iterator[list[Any]]:
    """Yield what can be read from the front up to the damage, and from the back down to it."""
    for order in ("ASC", "DESC"):
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as damaged:
                damaged.text_factory = lambda data: data.decode(errors="replace")
                for stored, *values in damaged.execute(
                    f"SELECT digest, {columns} FROM {table} NOT INDEXED ORDER BY rowid {order}"
                ):
                    if row_digest(*values) == stored:
                        yield values
        except sqlite3.Error:
            continue
