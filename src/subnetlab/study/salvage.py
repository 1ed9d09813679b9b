"""What to do with a damaged database: keep it under another name, and take over what is still sound."""

from __future__ import annotations

import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .schema import TABLES, has_tables, row_digest, text

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = 100  # bytes at the front of a SQLite file
_AT_ONCE = 1024  # rows
_LAST_ROW = 2**63 - 1


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
    """Copy the sound rows of a damaged database into a new one; return the number of results among them.

    Every row is believed on its digest alone, wherever it was found. So the file is read several times, in memory: as
    it is, and with the header or the whole first page of the new database in place of its own, which says where the
    tables begin and is the same in every study.
    """
    results = 0
    content, fresh = aside.read_bytes(), connection.serialize()
    size = _page_size(fresh)
    copies = [(_page_size(content), content)] if _page_size(content) else []
    copies += [(size, fresh[:kept] + content[kept:]) for kept in (_HEADER, size)]
    connection.execute("BEGIN IMMEDIATE")
    for table, columns in TABLES.items():
        for values in itertools.chain.from_iterable(_sound_rows(*copy, table, columns) for copy in copies):
            names, given = f"{columns}, digest", [*values, row_digest(*values)]
            if table == "cells":
                names, given = names + ", planned", [*given, 0]
            marks = ", ".join("?" * len(given))
            added = connection.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", given)
            results += added.rowcount if table == "results" else 0
    connection.execute("COMMIT")
    return results


def _page_size(content: bytes) -> int:
    """Return the page size that the header states, 0 where that is none."""
    size = int.from_bytes(content[16:18], "big")
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else 0


def _sound_rows(page_size: int, content: bytes, table: str, columns: str) -> Iterator[list[Any]]:
    """Yield the rows between the damaged pages, if the file says at all where the table begins."""
    content += bytes(-len(content) % page_size)  # of a page that was cut
    pages = (len(content) // page_size).to_bytes(4, "big")
    content = content[:28] + pages + content[32:92] + content[24:28] + content[96:]  # a count, and that it is valid
    with closing(sqlite3.connect(":memory:")) as damaged:
        damaged.deserialize(content)
        damaged.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, len(content))  # a damaged row may claim any length
        damaged.text_factory = text
        try:
            if not has_tables(damaged):
                return
        except sqlite3.Error:
            return
        query = f"SELECT rowid, digest, {columns} FROM {table} NOT INDEXED WHERE rowid >= ? ORDER BY rowid LIMIT ?"
        for _, stored, *values in _rows_around_damage(damaged, query):
            if row_digest(*values) == stored:
                yield values


def _rows_around_damage(damaged: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield rows by number, hopping over those that cannot be read by steps that grow with the gap."""
    first, limit, hop = 0, _AT_ONCE, 0
    while first <= _LAST_ROW:
        try:
            rows = damaged.execute(query, (first, limit)).fetchall()
        except sqlite3.Error:
            if limit == 1:
                hop = max(hop + 1, hop * 9 // 8)
                first += hop
            limit = 1  # the rows before the damage, one by one
            continue
        if not rows:
            return
        yield from rows
        first, limit, hop = max(first, rows[-1][0]) + 1, min(2 * limit, _AT_ONCE), 0
