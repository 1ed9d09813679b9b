"""What a job tells: its log, and how it ended.

Rank 0 appends a line to the log for each event; launchers and workers that were away read it. Anybody may write into a
file, and a full disk cuts lines short, so what is no event is passed over.

How it ended goes through a named pipe in a folder of the launcher's own, apart from the job, whose disk may be full. A
pipe needs no room on any disk: a worker that could not tell that the job is finished would be started again for ever.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import named

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_FILE = "log.jsonl"
STOP_FILE = "stop"  # its appearance asks for an orderly end
_FACTS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "begin": {"attempt": int, "pids": list},
    "round": {"full_error": (int, float)},
    "damaged": {"round": int},
    "end": {"status": str},
    "script_round": {"training": int, "of": int, "loss": (int, float), "workers": int, "bytes_sent": int},
    "checkpoint": {"training": int},
}
_PREFIX, _NEW_LOCK, _LOCK, _PIPE = "subnetlab-", "new.lock", "launcher.lock", "outcome.json"
_ROOM = 1 << 18  # bytes that torchrun and the workers may write there
_LONGEST = 3000  # bytes of a message; a pipe takes 4096 from one writer at once


class PrivateFolder:
    """A folder that no other process uses.

    Parameters
    ----------
    path : Path
    reader : int
        Descriptor of the pipe.
    """

    def __init__(self, path: Path, reader: int) -> None:
        self.path = path
        self._reader = reader
        self._told: tuple[str, str] | None = None

    def outcome(self) -> tuple[str, str] | None:
        """Return status and message of the first worker that has told them, or None."""
        if self._told is None:
            with suppress(BlockingIOError):
                line = os.read(self._reader, 1 << 16).partition(b"\n")[0]
                self._told = (told["status"], told["message"]) if line and (told := json.loads(line)) else None
        return self._told


@contextmanager
def private_folder() -> Iterator[PrivateFolder]:
    """Make a folder for as long as the block runs, and remove those of launchers that were killed.

    Raises
    ------
    OSError
        If the disk for temporary files (TMPDIR) is full or cannot be written.
    """
    _remove_dead(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        path = Path(name)
        lock = os.open(path / _NEW_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        reader = -1
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (path / _NEW_LOCK).rename(path / _LOCK)  # where other launchers see it, it is held
            _check_room(path)
            os.mkfifo(path / _PIPE, 0o600)
            reader = os.open(path / _PIPE, os.O_RDONLY | os.O_NONBLOCK)
            yield PrivateFolder(path, reader)
        finally:
            os.close(lock)
            if reader >= 0:
                os.close(reader)


def tell(path: Path, status: str, message: str) -> None:
    """Tell the launcher how the job ended, if it still runs; without its pipe, a file is written."""
    message = message.encode()[:_LONGEST].decode(errors="ignore")
    line = json.dumps({"status": status, "message": message}, ensure_ascii=False) + "\n"
    with suppress(OSError):
        writer = os.open(path / _PIPE, os.O_WRONLY | os.O_NONBLOCK | os.O_CREAT, 0o600)
        try:
            os.write(writer, line.encode())
        finally:
            os.close(writer)


def _check_room(path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(_ROOM))
    except OSError as error:
        raise named(error, path.parent) from error


def _remove_dead(parent: Path) -> None:
    """Remove the folders whose launcher does not live any more; it holds the lock in its own."""
    for file in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError):
            lock = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(file.parent, ignore_errors=True)
            finally:
                os.close(lock)


def append_event(folder: Path, event: str, rounds: int, **facts: Any) -> None:
    """Append a line; the next checkpoint, not this line, reports a full disk.

    Parameters
    ----------
    folder : Path
        Of the job.
    event : {"begin", "round", "damaged", "end", "script_round", "checkpoint"}
    rounds : int
        Completed rounds.
    **facts
        More about the event.
    """
    line = {"event": event, "time": time.time(), "rounds": rounds, **facts}
    with suppress(OSError), open(folder / LOG_FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def log_end(folder: Path) -> int:
    """Return the position behind the last byte of the log."""
    try:
        return (folder / LOG_FILE).stat().st_size
    except OSError:
        return 0


def events_after(folder: Path, position: int) -> tuple[list[dict[str, Any]], int]:
    """Return the events behind a position of the log, and the position behind the last whole line.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     append_event(Path(folder), "end", 10, status="finished")
    ...     events, _ = events_after(Path(folder), 0)
    >>> events[0]["status"]
    'finished'
    """
    try:
        with open(folder / LOG_FILE, "rb") as file:
            file.seek(position)
            text = file.read()
    except OSError:
        return [], position
    whole = text[: text.rfind(b"\n") + 1]
    events = map(_event, whole.splitlines())
    return [event for event in events if event is not None], position + len(whole)


def _event(line: bytes) -> dict[str, Any] | None:
    """Return what a line says, or None if it is no event."""
    try:
        event = json.loads(line)
        facts = {"rounds": int, **_FACTS[event["event"]]}
        return event if all(isinstance(event[name], kind) for name, kind in facts.items()) else None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
