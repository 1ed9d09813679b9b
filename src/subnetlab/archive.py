"""Versioned files of named arrays and settings: a ZIP of NPY entries, no pickle, readable by ``numpy.load``."""

from __future__ import annotations

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
    OSError
        If there is no such file, or it may not be read; the message begins with ``owner``.
    ArchiveError
        If it is damaged, of another kind, or written by a newer version.
    """
    with open_input(path, owner=owner) as raw:
        try:
            if raw.read(2) != _ZIP:  # NumPy would take it for a pickle, and say how to trust it
                raise ValueError("it is no ZIP archive")
            raw.seek(0)
            _check_sizes(raw)
            with np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            if _META not in arrays:
                raise ValueError(f"it has no entry {_META!r}")
            meta = dict(json.loads(arrays.pop(_META).tobytes()))
            found_kind, version, names = meta.pop("kind"), int(meta.pop("version")), meta.pop("arrays", None)
        except Exception as error:  # damage makes zipfile and NumPy raise a dozen types
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


def _check_sizes(raw: IO[bytes]) -> None:
    """Raise ValueError unless every array takes as much memory as it takes bytes of the file, before any is taken.

    Archives are stored without compression, so a small file cannot claim a large array.
    """
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
                version = np.lib.format.read_magic(content)
                if version not in ((1, 0), (2, 0)):
                    raise ValueError(f"{entry.filename} has NPY version {version}")
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(content)
                if dtype.hasobject:
                    raise ValueError(f"{entry.filename} holds objects, which only allow_pickle would read")
                if math.prod(shape) * dtype.itemsize != entry.file_size - content.tell():
                    raise ValueError(f"{entry.filename} claims shape {shape}, which is not its size")
    raw.seek(0)
