"""Where the files of a dataset may lie, in order: path=, SUBNETLAB_DATA, a system package, the cache, a download.

Wherever they are found, their content is verified, so that one seed gives the same rows everywhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from ..input_file import why_unusable
from .fetch import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable

DATA_VARIABLE = "SUBNETLAB_DATA"
CACHE_VARIABLE = "SUBNETLAB_CACHE"

Kind: TypeAlias = Literal["path", "environment", "package", "cache"]
T = TypeVar("T")


class DatasetNotFoundError(FileNotFoundError):
    """The file of a dataset is in none of its places and could not be downloaded.

    Attributes
    ----------
    reasons : str
        Why each place was of no use, without the advice that the message adds.
    """

    reasons: str = ""


class Place(NamedTuple):
    """One place that was looked at.

    Parameters
    ----------
    kind : {"path", "environment", "package", "cache"}
    where : str
        The place in words.
    found : Path or None
        The file or folder to read, if it is there.
    why_not : str
        Why it is not, or "".
    """

    kind: Kind
    where: str
    found: Path | None
    why_not: str


@dataclass(frozen=True)
class Files(Generic[T]):
    """The files of one dataset.

    Parameters
    ----------
    name : str
        The dataset's.
    lacks : str
        What a folder without them lacks, as "holds ..." in messages.
    find : callable
        Takes a path that the user names, returns what there is to read, or None.
    read : callable
        Takes what ``find`` returned, returns the verified content; raises ValueError if it is not the dataset.
    download : callable
        Takes the cache folder, returns the content and the part of its provenance that is known; raises
        `DownloadError`.
    advice : str
        How to provide the files; the name of the cache folder follows.
    package_folder : str, optional
        Where a system package puts them.
    """

    name: str
    lacks: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path], T]
    download: Callable[[Path], tuple[T, dict[str, Any]]]
    advice: str
    package_folder: str | None = None


def obtain(
    files: Files[T], path: str | os.PathLike[str] | None, *, download: bool
) -> tuple[T, dict[str, Any], tuple[str, ...]]:
    """Return the content from the first place that has it, that place for the provenance, and notices for the user.

    Raises
    ------
    DatasetNotFoundError
        If no place has it; it names every place and how to provide the files.
    OSError, ValueError
        If what path= or SUBNETLAB_DATA names cannot be read or is not the dataset: it is never passed over.
    """
    first = look_at_environment(files) if path is None else look_at_path(path, files)
    if first.found is not None:
        return files.read(first.found), _source(first), ()
    if path is not None:
        raise DatasetNotFoundError(f"load_dataset: {first.why_not}")
    failures = [first.why_not]
    for place in other_places(files):
        if place.found is None:
            failures.append(place.why_not)
            continue
        try:
            return files.read(place.found), _source(place), environment_notice(files, place.where)
        except ValueError as error:
            failures.append(f"{place.where} is damaged ({error})")
        except OSError as error:
            failures.append(f"{place.where} cannot be read ({error})")
    if not download:
        failures.append("downloading was not allowed")
    else:
        try:
            content, source = files.download(cache_folder())
        except DownloadError as error:
            failures.append(f"the download failed: {error}")
        else:
            return content, {"kind": "download", **source}, environment_notice(files, source["where"])
    reasons = "; ".join(failures)
    error = DatasetNotFoundError(f"{files.name}: not found: {reasons}. {files.advice} {str(cache_folder())!r}")
    error.reasons = reasons
    raise error


def environment_notice(files: Files[Any], instead: str) -> tuple[str, ...]:
    """Return what to say if SUBNETLAB_DATA is set, perhaps mistyped, and the data come from elsewhere."""
    place = look_at_environment(files)
    if not os.environ.get(DATA_VARIABLE) or place.found is not None:
        return ()
    return (f"load_dataset: {place.why_not}; {files.name} was sought elsewhere, the data come from {instead}",)


def cache_folder() -> Path:
    """Return the folder of downloaded files: SUBNETLAB_CACHE, or the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(os.path.expanduser(named))
    import pooch

    return Path(pooch.os_cache("subnetlab"))


def look_at_path(path: str | os.PathLike[str], files: Files[Any]) -> Place:
    """Look at a file or folder that the user names."""
    return _look("path", f"path={os.fspath(path)!r}", os.path.expanduser(path), files)


def look_at_environment(files: Files[Any]) -> Place:
    """Look at the folder (or the file) that SUBNETLAB_DATA names."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        return Place("environment", DATA_VARIABLE, None, f"{DATA_VARIABLE} is not set")
    return _look("environment", f"{DATA_VARIABLE}={named!r}", os.path.expanduser(named), files)


def other_places(files: Files[Any]) -> list[Place]:
    """Look where the user named nothing: the folder of a system package, and the cache."""
    folder = cache_folder()
    places = [_look("cache", f"the cache {str(folder)!r}", str(folder), files)]
    if files.package_folder is not None:
        package = files.package_folder
        places.insert(0, _look("package", f"the system's {package!r}", package, files))
    return places


def _look(kind: Kind, where: str, path: str, files: Files[Any]) -> Place:
    reason = why_unusable(path)
    if reason in (None, "a folder"):
        try:
            found = files.find(Path(path))
        except OSError as error:  # a folder that may not be searched
            return Place(kind, where, None, f"{where} cannot be read ({error.strerror})")
        return Place(kind, where, found, "" if found else f"{where} holds {files.lacks}")
    problem = "does not exist" if reason == "nothing there" else f"cannot be used: {reason}"
    return Place(kind, where, None, f"{where} {problem}")


def _source(place: Place) -> dict[str, Any]:
    assert place.found is not None
    return {"kind": place.kind, "where": place.where, "path": str(place.found.absolute())}
