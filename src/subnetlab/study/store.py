"""Where a study keeps its results: one SQLite file per folder, written by one process only."""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .lock import locked
from .result import DamagedResultError, digest
from .schema import StudyFileError, check_integrity, connect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATABASE = "study.sqlite"
_LOCK = "study.lock"


class Outcome(NamedTuple):
    """A result on its way into the store."""

    key: str
    status: str
    seconds: float
    payload: bytes


class Store:
    """The one writer of a study's folder; use it as a context manager.

    Every method that writes returns when the data are on the disk.

    Parameters
    ----------
    folder : str or Path
        Made if need be.

    Raises
    ------
    StudyBusyError
        If another process holds the folder.
    StudyFileError
        If the database is no study or comes from a newer version.
    OSError
        If the folder cannot be written.

    Attributes
    ----------
    notices : list of str
        What was found and put right on opening: damaged results dropped, a damaged file set aside.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / DATABASE
        self.notices: list[str] = []
        with ExitStack() as stack:
            stack.enter_context(locked(self.folder / _LOCK))
            self._connection = self._open()
            stack.callback(self._connection.close)
            self._drop_damaged()
            self._release = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of the folder."""
        self._release.close()

    def set_plan(self, cells: Iterable[tuple[str, dict[str, Any]]], plan: Any = None) -> None:
        """Note which cells (key and settings) are wanted now, in their order; results of others stay."""
        rows = [(key, json.dumps(settings)) for key, settings in cells]
        with self._transaction() as run:
            run.execute("UPDATE cells SET planned = 0")
            run.executemany(
                "INSERT INTO cells (key, settings, planned) VALUES (?, ?, 1) "
                "ON CONFLICT (key) DO UPDATE SET planned = 1",
                rows,
            )
            if plan is not None:
                run.execute("INSERT OR REPLACE INTO study VALUES ('plan', ?)", (json.dumps(plan),))

    def plan(self) -> Any:
        """Return the plan that was noted last, or None."""
        row = self._connection.execute("SELECT value FROM study WHERE name = 'plan'").fetchone()
        return None if row is None else json.loads(row[0])

    def finished(self) -> dict[str, str]:
        """Return the status of each cell that has a result, by its key."""
        return dict(self._connection.execute("SELECT key, status FROM results"))

    def write(self, outcomes: Iterable[Outcome]) -> None:
        """Store results; a later one for the same cell takes the place of an earlier one.

        Raises
        ------
        StudyFileError
            If they cannot be written (a full disk); what was stored before stays whole.
        """
        rows = [(o.key, o.status, o.seconds, digest(o.key, o.payload), o.payload) for o in outcomes]
        with self._transaction() as run:
            run.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)", rows)

    def add_attempt(self, key: str, message: str) -> int:
        """Note that a cell took its worker down; return how often it has."""
        with self._transaction() as run:
            run.execute("INSERT INTO attempts VALUES (?, ?)", (key, message))
            return int(run.execute("SELECT count(*) FROM attempts WHERE key = ?", (key,)).fetchone()[0])

    def forget_failures(self) -> int:
        """Drop failed results and their attempts, so that the cells are run again; return their number."""
        with self._transaction() as run:
            run.execute("DELETE FROM attempts")
            return run.execute("DELETE FROM results WHERE status = 'failed'").rowcount

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StudyFileError(f"{self.path}: {error}; everything stored before is safe") from error
            raise

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path, write=True)
        problem = check_integrity(connection)
        if problem is not None:
            raise StudyFileError(f"{self.path}: {problem}")
        return connection

    def _drop_damaged(self) -> None:
        """Delete results whose bytes are not the ones written, so that their cells are run again."""
        rows = self._connection.execute("SELECT key, digest, payload FROM results")
        damaged = [(key,) for key, stored, payload in rows if digest(key, payload) != stored]
        if damaged:
            with self._transaction() as run:
                run.executemany("DELETE FROM results WHERE key = ?", damaged)
            self.notices.append(f"{len(damaged)} stored results were damaged; their cells will be run again")


class StoredCell(NamedTuple):
    """A cell as the store holds it; status "pending" and no payload where there is no result."""

    key: str
    settings: dict[str, Any]
    status: str
    seconds: float | None
    payload: bytes | None


def read_cells(path: Path) -> Iterator[StoredCell]:
    """Yield the wanted cells and all with a result, in the order in which they were planned.

    Raises
    ------
    FileNotFoundError, StudyFileError
        If there is no study or it cannot be read.
    DamagedResultError
        If bytes are not the ones that were written.
    """
    connection = connect(path)
    try:
        rows = connection.execute(
            "SELECT key, settings, coalesce(status, 'pending'), seconds, digest, payload "
            "FROM cells LEFT JOIN results USING (key) WHERE planned OR payload IS NOT NULL ORDER BY position"
        ).fetchall()  # at once: an open query would hold up the writer
    except sqlite3.Error as error:
        raise StudyFileError(f"{path}: {error}") from error
    finally:
        connection.close()
    for key, settings, status, seconds, stored, payload in rows:
        if payload is not None and digest(key, payload) != stored:
            raise DamagedResultError(f"{path}: the result of cell {key[:12]} is damaged; run the study again")
        yield StoredCell(key, json.loads(settings), status, seconds, payload)
