"""Where a study keeps its results: one SQLite file per folder, written by one process only.

Beside every row lies the SHA-256 of its content: a row with a changed byte counts as not there.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .. import __version__
from ..locks import locked
from ..progress import open_standard_streams
from .reading import settings_of
from .result import decode
from .schema import TABLES, DamagedFileError, connect, explained, row_digest, salvage, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DATABASE = "study.sqlite"
LOCK = "study.lock"
_HINT = " (`subnetlab study status` may look on)"
LOG = "study.log"
log = logging.getLogger("subnetlab.study")
log.addHandler(logging.NullHandler())  # without it Python prints warnings to stderr


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
    tell : callable, optional
        Called with each of the `notices`, to show it to the user.

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
        What the user should know: damaged results dropped, a damaged file set aside, no locks on this file system,
        a reader that holds up the writing, results that another version made.
    """

    def __init__(self, folder: str | Path, *, tell: Callable[[str], None] | None = None) -> None:
        open_standard_streams()
        self.folder = Path(folder)
        self._tell = tell
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / DATABASE
        self.notices: list[str] = []
        with ExitStack() as stack:
            stack.enter_context(locked(self.folder / LOCK, "run a study", hint=_HINT, tell=self.notice))
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

    def notice(self, text: str) -> None:
        """Keep and log what the user should know, and show it if `tell` was given."""
        self.notices.append(text)
        log.warning("%s", text)
        if self._tell is not None:
            self._tell(text)

    def set_plan(self, cells: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Note which cells (key and settings) are wanted now, in their order; results of others stay.

        One key may have been planned in other words before, say with a number for ``network_seed = "seed"``: the
        new ones hold. Settings may hold, under `ASKED`, the plan's own words as `StoredCell` has them.
        """
        rows = [(key, text, row_digest(key, text)) for key, settings in cells if (text := _compact(settings))]
        with self._transaction() as run:
            run.execute("UPDATE cells SET planned = 0")
            run.executemany(
                "INSERT INTO cells (key, settings, digest, planned) VALUES (?, ?, ?, 1) "
                "ON CONFLICT (key) DO UPDATE SET planned = 1, settings = excluded.settings, digest = excluded.digest",
                rows,
            )

    def planned(self) -> list[dict[str, Any]]:
        """Return the settings of the wanted cells in the plan's own words, in their order."""
        rows = self._connection.execute("SELECT settings FROM cells WHERE planned ORDER BY position")
        stored = [settings_of(text) for (text,) in rows]
        return [settings | words for settings, asked in stored for words in asked or [{}]]

    def note(self, name: str, value: Any) -> None:
        """Keep a JSON-able fact about the study under a name."""
        text = json.dumps(value, sort_keys=True)
        with self._transaction() as run:
            run.execute("INSERT OR REPLACE INTO study VALUES (?, ?, ?)", (name, text, row_digest(name, text)))

    def noted(self, name: str) -> Any:
        """Return what was noted under the name last, or None."""
        row = self._connection.execute("SELECT value FROM study WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def finished(self) -> dict[str, str]:
        """Return the status of each cell that has a result, by its key."""
        return dict(self._connection.execute("SELECT key, status FROM results"))

    def other_versions(self, keys: Iterable[str], earlier: str) -> Counter[str]:
        """Return how many of the results were made by which other version of subnetlab.

        Parameters
        ----------
        keys : iterable of str
        earlier : str
            The version that made those that do not say so.
        """
        made: Counter[str] = Counter()
        for key in keys:
            row = self._connection.execute("SELECT payload FROM results WHERE key = ?", (key,)).fetchone()
            if row is not None:
                made[decode(row[0], curves=False).version or earlier] += 1
        del made[__version__]
        return made

    def write(self, outcomes: Iterable[Outcome]) -> None:
        """Store results; a later one for the same cell takes the place of an earlier one.

        Raises
        ------
        StudyFileError
            If they cannot be written (a full disk); what was stored before stays whole.
        """
        rows = [(*o, row_digest(*o)) for o in outcomes]
        with self._transaction() as run:
            run.executemany(
                "INSERT OR REPLACE INTO results (key, status, seconds, payload, digest) VALUES (?, ?, ?, ?, ?)", rows
            )

    def add_attempt(self, key: str, message: str) -> int:
        """Note that a cell crashed its worker; return how many times it has."""
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
            self._patiently("BEGIN IMMEDIATE")
            yield connection
            self._patiently("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):  # a failed COMMIT may have rolled back already
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise explained(self.path, error) from error
            raise

    def _patiently(self, statement: str) -> None:
        """Run a statement, waiting as long as another program holds the file, so that no result is lost.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C, twice while a study runs.
        """
        told = False
        while True:
            try:
                self._connection.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            if not told:
                self.notice(f"another program holds {self.path.name}; results wait until it lets go")
                told = True

    def _open(self) -> sqlite3.Connection:
        """Open the database; one that is damaged is set aside, and its sound rows are carried over."""
        try:
            return connect(self.path, write=True)
        except DamagedFileError as error:
            problem = str(error).removeprefix(f"{self.path}: ").removeprefix("the database is damaged ").strip("()")
        aside = set_aside(self.path)
        connection = connect(self.path, write=True)
        carried = salvage(aside, connection)
        self.notice(
            f"{self.path.name} was damaged ({problem}); it is kept as {aside.name}, and {carried} sound results were "
            "taken over; what is missing will be run again"
        )
        return connection

    def _drop_damaged(self) -> None:
        """Delete rows whose bytes are not the ones written, so that their cells are run again."""
        dropped = dict.fromkeys(TABLES, 0)
        with self._transaction() as run:
            for table, columns in TABLES.items():
                rows = run.execute(f"SELECT rowid, digest, {columns} FROM {table}").fetchall()
                damaged = [(rowid,) for rowid, stored, *values in rows if row_digest(*values) != stored]
                run.executemany(f"DELETE FROM {table} WHERE rowid = ?", damaged)
                dropped[table] = len(damaged)
        for table, count in dropped.items():
            if count:
                self.notice(f"{count} rows of {table} were damaged and are dropped; their cells will be run again")


def _compact(settings: dict[str, Any]) -> str:
    return json.dumps(settings, separators=(",", ":"))


class _QuietFile(logging.FileHandler):
    """A log file that drops lines on a full disk, which must not stop the study."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Lose the line."""


@contextmanager
def logging_to(folder: Path) -> Iterator[logging.Logger]:
    """Write the study's messages to its log file, too, while the block runs."""
    handler: logging.Handler = logging.NullHandler()
    with suppress(OSError):
        handler = _QuietFile(folder / LOG, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield log
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        with suppress(OSError):
            handler.close()
