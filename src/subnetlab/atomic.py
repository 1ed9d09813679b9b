"""Writing files that are either whole or not there; the package writes files in no other way."""

from __future__ import annotations

import csv
import errno
import fcntl
import hashlib
import io
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LONGEST = 200  # bytes of a name that its temporary file can repeat: file systems take 255


def checked_path(path: object, name: str) -> Path:
    """Return the path of a file to write; ``name`` is the owner and the argument that errors begin with.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be the path of a file, got {path!r}")
    return Path(path)


def in_folder(path: str | Path, name: str) -> Path:
    """Return the path of a file to write, if its folder is there and it is no folder itself.

    Raises
    ------
    TypeError, FileNotFoundError, IsADirectoryError
        If it is no path, there is no such folder, or a folder of that name; they begin with ``name``.
    """
    path = checked_path(path, name)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{name} must be in a folder that exists, got {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"{name} must be the path of a file, got {str(path)!r}: a folder")
    return path


@contextmanager
def atomic_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the place of ``path`` when the block ends well.

    The bytes go to a temporary file beside it, are flushed to the disk, and one rename puts them in place. After an
    error (a full disk, an interrupt) ``path`` is as it was and the temporary file is gone; one that a killed process
    left is removed by the next that writes the same file. A link stays a link: the file behind it is replaced. A file
    keeps its permissions; a new one has those of the umask. A FIFO or a device receives all bytes at the end.

    Raises
    ------
    OSError
        If the file may not be written, the folder cannot be written, the disk is full, or nobody reads from the FIFO;
        it names ``path``.
    """
    path = Path(path)
    with _naming(path):
        old = _status(path)
    target = Path(os.path.realpath(path))
    if old is not None and not (stat.S_ISREG(old.st_mode) and _is_at(target, old)):
        buffer = io.BytesIO()
        yield buffer
        with _naming(path):
            _send(path, buffer.getvalue())
        return
    with _naming(path):
        descriptor, temporary = _temporary_beside(target, old)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if old is not None:
                with suppress(OSError):  # only root gives files away
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
            os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, ConnectionError):  # of whoever sends what is written here
            raise
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            raise named(error, path) from error
        raise


def refuse_foreign(path: str | Path, ours: Callable[[bytes], bool], *, force: bool = False) -> None:
    """Raise if there is a file that this command did not make, so that no file of the user is overwritten by mistake.

    Parameters
    ----------
    path : path
    ours : callable
        Tells from the first bytes of a file (64 KiB at most) whether it is an earlier result of the same kind.
    force : bool
        Whether the user allows anything.

    Raises
    ------
    FileExistsError
        If a file is there and not ours. FIFOs and devices keep nothing that could be lost.
    OSError
        If the file may not be read or written; it names ``path``.
    """
    path = Path(path)
    with _naming(path):
        found = _status(path)
        if force or found is None or not stat.S_ISREG(found.st_mode) or found.st_size == 0:
            return
        with path.open("rb") as file:
            head = file.read(1 << 16)
    if not ours(head):
        raise FileExistsError(f"{path}: is no earlier result of this command; name another file, or use --force")


def csv_text(names: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    r"""Return a table as CSV: floats with all their digits, nothing for None.

    Examples
    --------
    >>> csv_text(["round", "error"], [(0, 0.1), (1, None)])
    'round,error\n0,0.1\n1,\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def remove_leftovers(folder: Path, name: str) -> None:
    """Remove the temporary files that killed writers of ``name``, a pattern, left in a folder.

    A writer that lives holds a lock on its file, which stays.
    """
    for leftover in folder.glob(f".{name}.*.part"):
        _remove_if_dead(leftover)


def _status(path: Path) -> os.stat_result | None:
    """Return what stands at ``path``, behind links, if anything; raise if it may not be written."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.ENXIO, "a socket is no file")
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return found


def _is_at(target: Path, found: os.stat_result) -> bool:
    """Return whether a file has that name: /dev/stdout may lead to one that has none any more."""
    with suppress(OSError):
        return os.path.samestat(os.stat(target), found)
    return False


def _temporary_beside(target: Path, old: os.stat_result | None) -> tuple[int, Path]:
    """Return a new file in the folder of ``target``, locked for as long as this process writes it."""
    name = target.name
    if len(os.fsencode(name)) > _LONGEST:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    for leftover in target.parent.glob(f".{_escaped(name)}.*.part"):
        _remove_if_dead(leftover)
    while True:
        temporary = target.parent / f".{name}.{secrets.token_hex(8)}.part"
        mode = 0o666 if old is None else stat.S_IMODE(old.st_mode) & 0o666  # never open to more than the old file was
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits for one that is about to remove the file
        if os.fstat(descriptor).st_nlink:  # else another writer took it for a leftover before it was locked
            return descriptor, temporary
        os.close(descriptor)


def _remove_if_dead(leftover: Path) -> None:
    """Remove a temporary file unless a process holds its lock."""
    try:
        descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        leftover.unlink(missing_ok=True)
    except OSError:  # a living writer, or a file system without locks
        pass
    finally:
        os.close(descriptor)


def _send(path: Path, content: bytes) -> None:
    """Write everything to a FIFO, a device or a file without a name; do not wait for the reader of a FIFO."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads from it") from error
        raise
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Give errors the name of the file that was wanted, in place of a temporary one's or of none."""
    try:
        yield
    except OSError as error:
        raise named(error, path) from error


def named(error: OSError, path: Path) -> OSError:
    """Return an error with the name of the file that was wanted, in place of a temporary one's or of none."""
    if error.errno is None:  # not the system's own; NumPy tells a full disk by the bytes that it did not take
        return OSError(f"{path}: {error}")
    return OSError(error.errno, error.strerror, str(path))
