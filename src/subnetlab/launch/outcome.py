"""The launcher's own folder, and the pipe in it by which its workers tell how the job ended.

It lies apart from the job, whose disk may be full. The outcome goes through a named pipe, which needs no room on any
disk: a worker that could not tell that the job is finished would be started again for ever.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import named

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX, _LOCK, _PIPE = "subnetlab-", "launcher.lock", "outcome.json"
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
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        reader = -1
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _check_room(path)
            os.mkfifo(path / _PIPE, 0o600)
            reader = os.open(path / _PIPE, os.O_RDONLY | os.O_NONBLOCK)
            yield PrivateFolder(path, reader)
        finally:
            os.close(lock)
            if reader >= 0:
                os.close(reader)


def tell(path: Path, status: str, message: str) -> None:
    """Tell the launcher how the job ended; one that is gone hears nothing, and without its pipe a file is written."""
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
