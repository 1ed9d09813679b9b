"""Reading a study's database, also while it is written; every row is checked before it is used."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core import checks
from ..training.request import RENAMED
from .networks import SHALLOW
from .result import DamagedResultError, decode
from .schema import DamagedFileError, StudyFileError, connect, explained, row_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .result import CellResult

ASKED = "asked"  # in the settings' JSON
_NUMBERS = ("width", "rounds", "n_subnetworks", "local_steps", "seed")  # the first of the shallow network alone
_PLAIN = (str, int, float)  # bool is an int
_MENDING = "the same `subnetlab study` command again sets it aside and takes over what is sound"


class StoredCell(NamedTuple):
    """A cell as the store holds it; status "pending" and no payload where there is no result.

    ``asked`` holds the words in which the plan asked for the cell, where they are others than its settings: a dict of
    what differs for each time that it was asked for, such as ``{"engine": "auto"}``.
    """

    key: str
    settings: dict[str, Any]
    status: str
    seconds: float | None
    payload: bytes | None
    asked: tuple[dict[str, Any], ...] = ()

    def result(self, *, curves: bool = True) -> CellResult | None:
        """Return the result, or None where there is none; see `decode`."""
        return None if self.payload is None else decode(self.payload, self.seconds or 0.0, curves=curves)

    def as_asked(self) -> list[dict[str, Any]]:
        """Return all settings in the plan's words, once for each time that it asked for the cell."""
        return [self.settings | words for words in self.asked or ({},)]


def read_cells(path: Path) -> Iterator[StoredCell]:
    """Yield the wanted cells and all with a result, in the order in which they were planned.

    Raises
    ------
    FileNotFoundError, StudyFileError
        If there is no study, it cannot be read, or its file is damaged.
    DamagedResultError
        If bytes are not the ones that were written.
    """
    try:
        results, cells = _rows(path)
    except DamagedFileError as error:
        raise DamagedFileError(f"{error}; {_MENDING}") from error
    for key, settings, digest, planned in cells:
        status, seconds, payload, result_digest = results.get(key, ("pending", None, None, None))
        if payload is None and not planned:
            continue
        sound = row_digest(key, settings) == digest
        if payload is not None:
            sound = sound and row_digest(key, status, seconds, payload) == result_digest
        if not sound:
            raise DamagedResultError(f"{path}: the row of cell {key[:12]} is damaged; {_MENDING}")
        try:
            words, asked = settings_of(settings)
        except (TypeError, ValueError, RecursionError) as error:
            raise DamagedResultError(f"{path}: the settings of cell {key[:12]} cannot be used ({error})") from error
        yield StoredCell(key, words, status, seconds, payload, asked)


def settings_of(text: str) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
    """Return the settings of a cell from their JSON, and the words in which the plan asked for it.

    Raises
    ------
    TypeError, ValueError
        If they are not what `Store.set_plan` writes.
    """
    settings = json.loads(text)
    asked = settings.pop(ASKED, []) if isinstance(settings, dict) else None
    if not isinstance(settings, dict) or not isinstance(asked, list) or not all(isinstance(a, dict) for a in asked):
        raise TypeError("they must be a table")
    shallow = settings.get("network", SHALLOW) == SHALLOW
    for name in _NUMBERS if shallow else _NUMBERS[1:]:
        checks.whole_number("cell", name, settings.get(name), least=0)
    checks.instance("cell", "diagnostics", settings.get("diagnostics"), list)
    for value in itertools.chain.from_iterable(table.values() for table in (settings, *asked)):
        entries = value if isinstance(value, list) else [value]
        if not all(entry is None or isinstance(entry, _PLAIN) for entry in entries):
            raise TypeError("their values must be plain")
    return {RENAMED.get(name, str(name)): value for name, value in settings.items()}, tuple(asked)


def _rows(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """Return the rows of results, by their keys, and those of cells."""
    try:
        return _query(path)
    except StudyFileError:
        journal = Path(f"{path}-journal")
        if not journal.exists() or (os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)):
            raise
        with tempfile.TemporaryDirectory() as copies:  # a killed writer's commit is rolled back where one may write
            for file in (path, journal):
                shutil.copyfile(file, Path(copies, file.name))
            return _query(Path(copies, path.name))


def _query(path: Path) -> tuple[dict[str, Any], list[Any]]:
    try:
        with closing(connect(path)) as connection:  # all at once: an open query would hold up the writer
            connection.execute("BEGIN")
            results = connection.execute("SELECT key, status, seconds, payload, digest FROM results").fetchall()
            cells = connection.execute("SELECT key, settings, digest, planned FROM cells ORDER BY position").fetchall()
    except sqlite3.Error as error:
        raise explained(path, error) from error
    return {key: values for key, *values in results}, cells
