"""Communities and Crime as a raw table: found, verified, its columns chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...atomic import atomic_file
from ..errors import DatasetNotFoundError, DownloadError
from ..raw import RawTable
from .columns import IDENTIFIERS, MISSING, N_ROWS, NEARLY_COMPLETE, POLICE, PREDICTIVE, TARGET
from .content import parse_crime
from .download import download_crime
from .places import FILE_NAME, Place, cache_folder, look_at_cache, look_at_environment, look_at_path

if TYPE_CHECKING:
    import os

    from .content import CrimeTable

_HOW_TO_PROVIDE = (
    "To provide it, get communities.data of UCI's data set 183 (https://archive.ics.uci.edu/dataset/183) and "
    "name the file or its folder with path= or with the environment variable SUBNETLAB_DATA, or put it into "
    "the cache folder"
)


def load_crime(*, path: str | os.PathLike[str] | None = None, impute: bool = False, download: bool = True) -> RawTable:
    """Return the predictive columns without a missing value (99), or with at most one (100).

    Parameters
    ----------
    path : path, optional
        The file, or a folder that holds it. Otherwise SUBNETLAB_DATA, the cache and the download follow.
    impute : bool, default False
        Keep OtherPerCap, which lacks one value.
    download : bool, default True

    Raises
    ------
    DatasetNotFoundError
        If there is no such file anywhere; it names every place and how to provide the file.
    ValueError
        If the file that path= or SUBNETLAB_DATA names is not the data set.
    """
    table, source = _find(path, download)
    unused = set(POLICE) if impute else {*POLICE, NEARLY_COMPLETE}
    used = np.array([name not in unused for name in PREDICTIVE])
    left_out: dict[str, str] = dict.fromkeys(IDENTIFIERS, "identifier")
    left_out |= {name: f"lacks {MISSING[name]} of {N_ROWS} values" for name in PREDICTIVE if name in unused}
    return RawTable(
        name="crime",
        features=table.features[:, used],
        target=table.target,
        columns=tuple(name for name in PREDICTIVE if name not in unused),
        target_name=TARGET,
        source={**source, "sha256": table.sha256},
        left_out=left_out,
    )


def _find(path: str | os.PathLike[str] | None, download: bool) -> tuple[CrimeTable, dict[str, Any]]:
    """Return the table from the first place that has it, and which one that is."""
    if path is not None:
        place = look_at_path(path)
        if place.file is None:
            raise DatasetNotFoundError(f"load_dataset: {place.why_not}")
        return _read(place)
    failures: list[str] = []
    place = look_at_environment()
    if place.file is not None:
        return _read(place)  # a damaged file that the user names is refused, not passed over
    failures.append(place.why_not)
    place = look_at_cache()
    if place.file is not None:
        try:
            return _read(place)
        except ValueError as error:
            failures.append(f"{place.where} is damaged ({error})")
    else:
        failures.append(place.why_not)
    if not download:
        failures.append("downloading was not allowed")
    else:
        try:
            return _download()
        except DownloadError as error:
            failures.append(f"the download failed: {error}")
    reasons = "; ".join(failures)
    error = DatasetNotFoundError(f"crime: not found: {reasons}. {_HOW_TO_PROVIDE} {str(cache_folder())!r}")
    error.reasons = reasons
    raise error


def _read(place: Place) -> tuple[CrimeTable, dict[str, Any]]:
    file = place.file
    assert file is not None
    table = parse_crime(file.read_bytes(), f"crime: {file}")
    return table, {"kind": place.kind, "where": place.where, "path": str(file.absolute())}


def _download() -> tuple[CrimeTable, dict[str, Any]]:
    """Download the table and keep it, in UCI's form, in the cache if that can be written."""
    url, table = download_crime()
    source: dict[str, Any] = {"kind": "download", "where": url, "url": url}
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder / FILE_NAME) as file:
            file.write(table.text.encode())
    except OSError as error:
        return table, {**source, "not_cached": str(error)}
    return table, {**source, "path": str((folder / FILE_NAME).absolute())}
