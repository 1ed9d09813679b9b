"""The tables of a study's database: opening one of any released version, and taking the sound rows of a damaged one."""

from __future__ import annotations

import hashlib
import itertools
import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..input_file import check_input

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_VERSION = 1
_APPLICATION = 0x5B4E7AB1 & 0x7FFFFFFF  # marks the file as ours
_PATIENCE = 30.0  # seconds to wait for a commit of the writer
_BEFORE_TELLING = 5000  # milliseconds that the writer waits for a reader before it says so and tries again
_LONGEST_UNCHECKED = 1_000_000  # bytes of a value that SQLite may hold before the file is known to be sound

_CREATED = {
    "study": "CREATE TABLE study (name TEXT PRIMARY KEY, value TEXT NOT NULL, digest BLOB NOT NULL)",
    "cells": """CREATE TABLE cells (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, settings TEXT NOT NULL, digest BLOB NOT NULL,
    planned INTEGER NOT NULL
)""",
    "results": """CREATE TABLE results (
    key TEXT NOT NULL UNIQUE, status TEXT NOT NULL, seconds REAL NOT NULL, digest BLOB NOT NULL, payload BLOB NOT NULL
)""",
    "attempts": "CREATE TABLE attempts (key TEXT NOT NULL, message TEXT NOT NULL)",
}  # in this order and word for word in every released version, so that each table begins on the same page of the file

TABLES = {"study": "name, value", "cells": "key, settings", "results": "key, status, seconds, payload"}
"""The tables with a digest, and the columns that it covers."""

_DAMAGED = (11, 26)  # SQLITE_CORRUPT, SQLITE_NOTADB
_HEADER = 100  # bytes at the front of a SQLite file
_AT_ONCE = 1024  # rows of a damaged file
_LAST_ROW = 2**63 - 1


class StudyFileError(OSError):
    """A database that is no study, cannot be read or written, or comes from a newer version."""


class DamagedFileError(StudyFileError):
    """A database whose pages are not as they were written."""


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """Return a connection to the database; a writer creates the tables of a new one.

    The journal is a file that is deleted at each commit, and each commit reaches the disk (synchronous EXTRA)
    before it counts. Readers wait for a commit under way, and roll back what a killed writer left half done.

    Reader and writer see to it that every page is sound before they ask for a row: SQLite takes a row that it cannot
    find through a damaged index for one that is not there. Before even that, the tables must be a study's own, for a
    view in their place could keep SQLite busy for ever.

    Raises
    ------
    FileNotFoundError
        If there is none and ``write`` is false.
    DamagedFileError
        If its pages are not sound, or its tables are not those of a study.
    StudyFileError
        If it cannot be used for another reason; the message says which.
    """
    if os.path.lexists(path):
        check_input(path, owner="study")
    elif not write:
        raise FileNotFoundError(f"{path}: there is no study here")
    mode = "rwc" if write else "rw"  # SQLite itself falls back to reading where it may not write
    try:
        with ExitStack() as stack:
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE, isolation_level=None
            )
            stack.callback(connection.close)
            connection.text_factory = text
            usual = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_UNCHECKED)
            _check_tables(path, connection, create=write)
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise DamagedFileError(f"{path}: the database is damaged ({' '.join(found.split())})")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, usual)
            connection.execute("PRAGMA journal_mode = DELETE" if write else "PRAGMA query_only = ON")
            connection.execute("PRAGMA synchronous = EXTRA")
            if write:
                connection.execute(f"PRAGMA busy_timeout = {_BEFORE_TELLING}")
            stack.pop_all()  # it is open, and the caller's
            return connection
    except sqlite3.Error as error:
        raise explained(path, error) from error


def _check_tables(path: Path, connection: sqlite3.Connection, *, create: bool) -> None:
    """See that the file is a study of a known version; create the tables of an empty one if ``create``."""
    marked = connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if marked and version > SCHEMA_VERSION:
        raise StudyFileError(
            f"{path}: schema version must be at most {SCHEMA_VERSION}, got {version}: written by a newer subnetlab"
        )
    whole = has_tables(connection)
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if empty and not marked and create:
        statements = "; ".join(_CREATED.values())
        connection.executescript(
            f"BEGIN IMMEDIATE; {statements}; PRAGMA application_id = {_APPLICATION}; "
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    elif not whole and not marked:
        raise StudyFileError(f"{path}: must be a study, got another SQLite database or an empty file")
    elif not whole or not marked or version < 1:
        raise DamagedFileError(f"{path}: its {'header' if whole else 'tables'} must be those of a study")


def has_tables(connection: sqlite3.Connection) -> bool:
    """Return whether the database holds a study's tables, real ones with our columns, and nothing else."""
    found = connection.execute("SELECT name, type, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
    return sorted(found) == sorted((name, "table", sql) for name, sql in _CREATED.items())


def explained(path: Path, error: sqlite3.Error) -> StudyFileError:
    """Return the error as one that names the file."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        return DamagedFileError(f"{path}: the database is damaged ({error})")
    return StudyFileError(f"{path}: {error}")


def text(data: bytes) -> str:
    """Decode text; a damaged byte gives other text, which the row's digest then shows."""
    return data.decode(errors="replace")


def row_digest(*values: str | float | bytes) -> bytes:
    """Return the hash stored beside a row's values; it ties a result to its cell.

    Examples
    --------
    >>> row_digest("ab", "c") == row_digest("a", "bc")
    False
    """
    content = hashlib.sha256()
    for value in values:
        data = value if isinstance(value, bytes) else repr(value).encode()
        content.update(len(data).to_bytes(8, "little") + data)
    return content.digest()


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
