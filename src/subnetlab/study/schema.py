"""The tables of a study's database, and opening one of any released version."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..input_file import check_input

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1
_APPLICATION = 0x5B4E7AB1 & 0x7FFFFFFF  # marks the file as ours
_PATIENCE = 30.0  # seconds to wait for a commit of the writer

_TABLES = """
CREATE TABLE study (name TEXT PRIMARY KEY, value TEXT NOT NULL, digest BLOB NOT NULL);
CREATE TABLE cells (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, settings TEXT NOT NULL, digest BLOB NOT NULL,
    planned INTEGER NOT NULL
);
CREATE TABLE results (
    key TEXT NOT NULL UNIQUE, status TEXT NOT NULL, seconds REAL NOT NULL, digest BLOB NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE attempts (key TEXT NOT NULL, message TEXT NOT NULL);
"""


TABLES = {"study": "name, value", "cells": "key, settings", "results": "key, status, seconds, payload"}
"""The tables with a digest, and the columns that it covers."""

_DAMAGED = (11, 26)  # SQLITE_CORRUPT, SQLITE_NOTADB


class StudyFileError(OSError):
    """A database that is no study, cannot be read or written, or comes from a newer version."""


class DamagedFileError(StudyFileError):
    """A database whose pages are not as they were written."""


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """Return a connection to the database; a writer creates the tables of a new one.

    The journal is a file that is deleted at each commit, and each commit reaches the disk (synchronous EXTRA)
    before it counts. Readers wait for a commit under way, and roll back what a killed writer left half done.

    Raises
    ------
    FileNotFoundError
        If there is none and ``write`` is false.
    DamagedFileError
        If it is damaged so much that SQLite cannot read its first page.
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
            connection.text_factory = _text
            version = _version(connection)
            if version is None and write:
                _create(connection)
            elif version is None or version < 1:
                raise StudyFileError(f"{path}: must be a study, got another SQLite database or an empty file")
            elif version > SCHEMA_VERSION:
                raise StudyFileError(
                    f"{path}: schema version must be at most {SCHEMA_VERSION}, got {version}: "
                    "written by a newer subnetlab"
                )
            connection.execute("PRAGMA journal_mode = DELETE" if write else "PRAGMA query_only = ON")
            connection.execute("PRAGMA synchronous = EXTRA")
            stack.pop_all()  # it is open, and the caller's
            return connection
    except sqlite3.Error as error:
        raise explained(path, error) from error


def explained(path: Path, error: sqlite3.Error) -> StudyFileError:
    """Return the error as one that names the file."""
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
    return (DamagedFileError if damaged else StudyFileError)(f"{path}: {error}")


def check_integrity(connection: sqlite3.Connection) -> str | None:
    """Return what SQLite finds wrong with the file, or None."""
    try:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else str(found)


def _version(connection: sqlite3.Connection) -> int | None:
    """Return the schema version, None for a database that is still empty."""
    if connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    return None if empty else -1


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(
        f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id = {_APPLICATION}; "
        f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    )


def _text(data: bytes) -> str:
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
