"""Opening files that the user names, or saying in one sentence why that is not possible.

A FIFO nobody writes to would make its reader wait for ever, and a file of a few bytes can claim arrays of terabytes:
both are refused before anything is read.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_TEXT = 2**24  # bytes of a file of settings; a wrong file is refused before it fills the memory
_ALWAYS_ALLOWED = 2**28  # bytes that a file of any size may unpack to
_LARGEST_RATIO = 100  # by which a larger one may grow; measured data shrinks to a twentieth at best

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_REASONS = {
    errno.ENOENT: "nothing there",
    errno.ENOTDIR: "nothing there, a file stands in place of a folder",
    errno.ELOOP: "a link that leads back to itself",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
}


class FileContentError(ValueError):
    """A file that is there and does not hold what it must: it is damaged, or of another kind."""


def check_input(
    path: str | os.PathLike[str], *, owner: str, argument: str = "path", wanted: str = "the path of a file"
) -> None:
    """Raise unless ``path`` is a file that may be read; opens nothing.

    For a library that opens the file itself, and for SQLite, which loses its locks when a second reader closes the
    file.

    Parameters
    ----------
    path : path
    owner, argument : str
        Whose argument names the file: errors begin with them.
    wanted : str
        What the argument must be.

    Raises
    ------
    OSError
        Of the class that the reason has: FileNotFoundError, IsADirectoryError, PermissionError, or OSError itself for
        a FIFO, a socket, a device, a link loop and a name that is too long.
    ValueError
        If the name holds a null byte.
    """
    with _explained(path, owner, argument, wanted):
        _check(path)


def why_unusable(path: str | os.PathLike[str]) -> str | None:
    """Return in words why ``path`` is no file that may be read, None if it is one; opens nothing.

    Parameters
    ----------
    path : path

    Examples
    --------
    >>> why_unusable("data.csv"), why_unusable("/")
    ('nothing there', 'a folder')
    """
    try:
        _check(path)
    except (OSError, ValueError) as error:
        return _reason(error)
    return None


@contextmanager
def open_input(path: str | os.PathLike[str], *, owner: str, argument: str = "path") -> Iterator[IO[bytes]]:
    """Open a file for reading, if it is one.

    Parameters
    ----------
    path : path
    owner, argument : str
        Whose argument names the file: errors begin with them.

    Raises
    ------
    OSError, ValueError
        As `check_input`.

    Examples
    --------
    >>> with open_input("data.csv", owner="load_dataset", argument="name") as file:
    ...     file.read()
    Traceback (most recent call last):
    FileNotFoundError: load_dataset: name must be the path of a file, got 'data.csv': nothing there
    """
    with _explained(path, owner, argument):
        file = _open(path)
    with file:
        yield file


def read_input_text(path: str | os.PathLike[str], *, owner: str, argument: str = "path") -> str:
    """Return the text of a file of settings; it may also come through a pipe (``/dev/stdin``, ``<(command)``).

    Parameters
    ----------
    path : path
        Of text in UTF-8; a byte order mark, as Windows writes it, is dropped.
    owner, argument : str
        Whose argument names the file: errors begin with them.

    Raises
    ------
    OSError, ValueError
        As `check_input`.
    FileContentError
        If the file is larger than any text of settings, or no UTF-8.
    """
    with _explained(path, owner, argument):
        file = _open(path, pipes=True)
    with file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise FileContentError(f"{path}: must be at most {LARGEST_TEXT >> 20} MiB of text, got more")
    return decode_text(content, str(path))


def decode_text(content: bytes, owner: str) -> str:
    r"""Return the bytes as text without a byte order mark.

    Raises
    ------
    FileContentError
        If they are no UTF-8.

    Examples
    --------
    >>> decode_text(b"\xef\xbb\xbfa = 1", "example")
    'a = 1'
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        known = " (the byte order mark of UTF-16)" if marked else ""
        raise FileContentError(f"{owner}: must be text in UTF-8, got byte {error.start} that is not{known}") from None


def check_unpacked(unpacked: int, on_disk: int, owner: str) -> None:
    """Raise if a compressed file claims to hold more than compression of real data explains.

    Parameters
    ----------
    unpacked : int
        The bytes that its header says it will take in memory.
    on_disk : int
        The bytes of the file.
    owner : str
        The file, for the message.

    Raises
    ------
    FileContentError
        If it would take more than 256 MiB, and more than 100 times its size.

    Examples
    --------
    >>> check_unpacked(3 * 2**30, 3 * 2**20, "rows.parquet")
    Traceback (most recent call last):
    subnetlab.input_file.FileContentError: rows.parquet: must unpack to at most 300 MiB, 100 times ..., got 3,072 MiB
    """
    most = max(_ALWAYS_ALLOWED, _LARGEST_RATIO * on_disk)
    if unpacked > most:
        why = f"{_LARGEST_RATIO} times the file's size" if most > _ALWAYS_ALLOWED else "as the file is small"
        raise FileContentError(f"{owner}: must unpack to at most {most >> 20:,} MiB, {why}, got {unpacked >> 20:,} MiB")


def _open(path: str | os.PathLike[str], *, pipes: bool = False) -> IO[bytes]:
    """Open without waiting for the writer of a FIFO; devices are refused."""
    mode = os.stat(path).st_mode
    # a pipe of the shell's has no name of its own in any folder, and its writer is there already
    pipe = pipes and stat.S_ISFIFO(mode) and not os.path.exists(os.path.realpath(path))
    if not pipe:
        _check_kind(mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not pipe:
            _check_kind(os.fstat(descriptor).st_mode)  # another file may have taken its place
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check(path: str | os.PathLike[str]) -> None:
    _check_kind(os.stat(path).st_mode)
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, "permission denied")


def _check_kind(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = stat.S_IFMT(mode)
        number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(number, _KINDS.get(kind, "something that is no file"))


@contextmanager
def _explained(
    path: str | os.PathLike[str], owner: str, argument: str, wanted: str = "the path of a file"
) -> Iterator[None]:
    """Turn an error of the system's into a sentence; its class and number stay."""
    rule = f"{owner}: {argument} must be {wanted}, got {os.fspath(path)!r}"
    try:
        yield
    except OSError as error:
        explained = type(error)(f"{rule}: {_reason(error)}")
        explained.errno = error.errno
        raise explained from None
    except ValueError as error:
        raise ValueError(f"{rule}: {_reason(error)}") from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "a name with a null byte"  # the one thing that the system calls refuse so
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)
