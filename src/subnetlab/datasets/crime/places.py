"""Where the file of Communities and Crime may lie: path=, SUBNETLAB_DATA, the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

FILE_NAME = "communities.data"
_FILE_NAMES = (FILE_NAME, "communities.csv", "communities+and+crime.zip")
DATA_VARIABLE = "SUBNETLAB_DATA"
CACHE_VARIABLE = "SUBNETLAB_CACHE"

Kind: TypeAlias = Literal["path", "environment", "cache"]


class Place(NamedTuple):
    """One place that was looked at.

    Parameters
    ----------
    kind : {"path", "environment", "cache"}
    where : str
        The place in words.
    file : Path or None
        The file, if there is one.
    why_not : str
        Why there is none, or "".
    """

    kind: Kind
    where: str
    file: Path | None
    why_not: str


def cache_folder() -> Path:
    """Return the folder of downloaded files: SUBNETLAB_CACHE, or the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("subnetlab"))


def look_at_path(path: str | os.PathLike[str]) -> Place:
    """Look at a file or folder that the user names."""
    return _look("path", f"path={os.fspath(path)!r}", Path(path).expanduser())


def look_at_environment() -> Place:
    """Look at the folder (or the file) that SUBNETLAB_DATA names."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        return Place("environment", DATA_VARIABLE, None, f"{DATA_VARIABLE} is not set")
    return _look("environment", f"{DATA_VARIABLE}={named!r}", Path(named).expanduser())


def look_at_cache() -> Place:
    """Look at the cache folder."""
    folder = cache_folder()
    return _look("cache", f"the cache {str(folder)!r}", folder)


def _look(kind: Kind, where: str, path: Path) -> Place:
    if path.is_file():
        return Place(kind, where, path, "")
    for name in _FILE_NAMES:
        if (path / name).is_file():
            return Place(kind, where, path / name, "")
    reason = f"holds none of {', '.join(_FILE_NAMES)}" if path.is_dir() else "does not exist"
    return Place(kind, where, None, f"{where} {reason}")
