"""Versioned files of named arrays and settings: a ZIP of NPY entries, no pickle, readable by ``numpy.load``."""

from __future__ import annotations

import errno
import json
import math
import os
import zipfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .atomic import atomic_file
from .input_file import FileContentError, open_input

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_META = "meta"
_ZIP = b"PK"
_PIECE = 1 << 18  # bytes


class ArchiveError(FileContentError):
    """A file that is no archive of the wanted kind, is damaged, or comes from a newer version."""


def write_archive(
    path: str | Path, kind: str, version: int, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write ``meta`` (JSON) and ``arrays`` under one roof; the file is whole or not there.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full; an older file stays as it was.
    """
    if _META in arrays:
        raise ValueError(f"write_archive: arrays must not use the name {_META!r}")
    header = json.dumps(
        {**meta, "kind": kind, "version": version, "arrays": sorted(arrays)}, allow_nan=True, sort_keys=True
    )
    entries = {_META: np.frombuffer(header.encode(), dtype=np.uint8), **arrays}
    with atomic_file(path) as file:
        np.savez(file, allow_pickle=False, **entries)


def read_archive(
    path: str | Path, kind: str, newest_version: int, *, owner: str = "read_archive"
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the settings and the arrays of an archive.

    Raises
    ------
    OSError, MemoryError
        If there is no such file, or it cannot be read now, which says nothing about what it holds.
    ArchiveError
        If it is damaged, of another kind, or written by a newer version.
    """
    with open_input(path, owner=owner) as raw:
        try:
            if raw.read(2) != _ZIP:  # NumPy would take it for a pickle, and say how to trust it
                raise ValueError("it is no ZIP archive")
            raw.seek(0)
            arrays = _read_entries(raw)
            if _META not in arrays:
                raise ValueError(f"it has no entry {_META!r}")
            meta = dict(json.loads(arrays.pop(_META).tobytes()))
            found_kind, version, names = meta.pop("kind"), int(meta.pop("version")), meta.pop("arrays", None)
        except Exception as error:  # damage makes zipfile and NumPy raise a dozen types
            if not tells_damage(error):
                raise
            raise ArchiveError(f"{path}: not a readable {kind} file ({error})") from error
    if found_kind != kind:
        raise ArchiveError(f"{path}: must be a {kind} file, got kind {found_kind!r}")
    if version > newest_version:
        raise ArchiveError(
            f"{path}: version must be at most {newest_version}, got {version}: written by a newer subnetlab"
        )
    if names != sorted(arrays):  # a damaged ZIP directory can hide entries
        raise ArchiveError(f"{path}: must hold the arrays {names}, got {sorted(arrays)}: the file is damaged")
    return meta, arrays


def read_array(file: IO[bytes], size: int, name: str) -> np.ndarray:
    """Return the one array of an NPY file, after its header has been found to fit the file's size.

    Parameters
    ----------
    file : binary file
        At its beginning.
    size : int
        Of the whole file in bytes: a wrong header may claim terabytes, and no memory is taken for them.
    name : str
        For the message.

    Raises
    ------
    ValueError
        If the header claims another size, or Python objects. Damage makes NumPy raise further types, see
        `tells_damage`.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> np.save(file, np.arange(3.0))
    >>> _ = file.seek(0)
    >>> read_array(file, len(file.getvalue()), "example")
    array([0., 1., 2.])
    """
    shape, fortran, dtype = read_header(file, name)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects, which only allow_pickle would read")
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != size - file.tell():
        raise ValueError(f"{name} claims shape {shape}, which is not its size")
    array = np.empty(shape[::-1] if fortran else shape, dtype)
    content, done = array.reshape(-1).view(np.uint8), 0
    while done < claimed:
        piece = np.frombuffer(file.read(min(_PIECE, claimed - done)), np.uint8)  # at once it would be in memory twice
        if not len(piece):
            raise EOFError(f"{name} must hold {claimed:,} bytes of numbers, got {done:,}")
        content[done : done + len(piece)] = piece
        done += len(piece)
    return array.T if fortran else array


def read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and dtype as the beginning of an NPY file states them; the file then stands at the numbers.

    Raises
    ------
    ValueError
        If it is no such file, or of a version that numbers do not need.
    """
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name} has NPY version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def tells_damage(error: Exception) -> bool:
    """Return whether an error of reading says that a file holds the wrong bytes.

    The others (a disk or network that does not answer, too many open files, too little memory) say nothing about
    them: the same file may be whole at the next attempt.
    """
    if isinstance(error, OSError):
        return error.errno in (None, errno.EINVAL)  # a damaged directory sends readers to negative places
    return not isinstance(error, MemoryError)


def _read_entries(raw: IO[bytes]) -> dict[str, np.ndarray]:
    """Return all arrays.

    Archives are stored without compression, so a small file cannot claim a large array.
    """
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(raw) as file:
        entries = file.infolist()
        if len({entry.filename for entry in entries}) < len(entries):
            raise ValueError("an entry is there twice")
        if sum(entry.file_size for entry in entries) > os.fstat(raw.fileno()).st_size:
            raise ValueError("its entries are larger than the file")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{entry.filename} is compressed")
            with file.open(entry) as content:
                arrays[entry.filename.removesuffix(".npy")] = read_array(content, entry.file_size, entry.filename)
    return arrays
