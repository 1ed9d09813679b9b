"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the place of ``path`` when the block ends well.

    The bytes go to a temporary file beside it, are flushed to the disk, and one rename puts them in place.
    After an error (a full disk, an interrupt) ``path`` is as it was and the temporary file is gone.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full; it names ``path``.
    """
    path = Path(path)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _named(error, path) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            raise _named(error, path) from error
        raise


def remove_leftovers(folder: Path, name: str) -> None:
    """Remove the temporary files that killed writers of ``name``, a pattern, left in a folder.

    Only who is sure to be the one writer may do so: a living one would lose its file.
    """
    for leftover in folder.glob(f".{name}.*.part"):
        leftover.unlink(missing_ok=True)


def _named(error: OSError, path: Path) -> OSError:
    """Return the error with the name of the file that was wanted in place of the temporary one's, or of none."""
    return OSError(error.errno, error.strerror, str(path))
