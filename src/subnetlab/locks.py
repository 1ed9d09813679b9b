"""One process at a time: a lock file that the system releases when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # what flock says where there are none


class FolderBusyError(OSError):
    """Another process is at work in the folder."""


@contextmanager
def locked(path: Path, work: str, *, hint: str = "", tell: Callable[[str], None] = warnings.warn) -> Iterator[int]:
    """Hold the lock file ``path``, whose content names the holder, and give its descriptor.

    A child process that inherits the descriptor holds the lock, too, for as long as it lives.

    Parameters
    ----------
    path : Path
    work : str
        What one process at a time may do, for the message: "run a study".
    hint : str
        What else one may do, at the end of the message.
    tell : callable
        Called with a sentence for the user on a file system without locks, where the work continues unguarded.

    Raises
    ------
    FolderBusyError
        If another process holds it; the message names process and machine.
    OSError
        If the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            _take(descriptor)
        except BlockingIOError:
            raise FolderBusyError(
                f"{path.parent}: one process at a time may {work}, and {_read(descriptor)} is at it; "
                f"wait for it, stop it, or choose another folder{hint}"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            tell(f"this file system has no locks: see to it that no second process tries to {work} in {path.parent}")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)  # releases the lock; the file stays, for removing it would race with a newcomer


def _take(descriptor: int) -> None:
    """Take the lock, unless somebody works under it; one who asks by `holder` shares it for a moment only."""
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # refused where somebody works
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(secrets.randbelow(100) / 10_000)  # two that begin at once do not meet again and again


def holder(path: Path) -> str | None:
    """Return the holder of the lock file, or None if there is none or it cannot be known."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    except OSError:  # no locks on this file system
        return None
    finally:
        os.close(descriptor)
    return None


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
