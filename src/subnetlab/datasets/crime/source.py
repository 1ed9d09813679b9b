"""Communities and Crime as a raw table: found, verified, its columns chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...input_file import open_input
from ..fetch import fetch_first, keep
from ..raw import RawTable
from ..search import Files, obtain
from .columns import IDENTIFIERS, MISSING, N_ROWS, NEARLY_COMPLETE, POLICE, PREDICTIVE, TARGET
from .content import MOST_BYTES, parse_crime

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from .content import CrimeTable

_UCI = "https://archive.ics.uci.edu"
MIRRORS: tuple[str, ...] = (
    f"{_UCI}/static/public/183/communities+and+crime.zip",
    f"{_UCI}/ml/machine-learning-databases/communities/communities.data",
    f"{_UCI}/static/public/183/data.csv",
)
FILE_NAME = "communities.data"
_FILE_NAMES = (FILE_NAME, "communities.csv", "communities+and+crime.zip")


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
    table, source, notices = obtain(CRIME, path, download=download)
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
        notices=notices,
    )


def find_file(path: Path) -> Path | None:
    """Return the file itself, or the one in a folder."""
    if path.is_file():
        return path
    return next((path / name for name in _FILE_NAMES if (path / name).is_file()), None)


def _read(file: Path) -> CrimeTable:
    with open_input(file, owner="crime", argument="the file") as content:
        return parse_crime(content.read(MOST_BYTES + 1), f"crime: {file}")


def _download(cache: Path) -> tuple[CrimeTable, dict[str, Any]]:
    """Download the table and keep it, in UCI's form, in the cache if that can be written."""
    url, table = fetch_first(MIRRORS, parse_crime)
    place = cache / FILE_NAME
    return table, {"where": url, "url": url, **keep({place: table.text.encode()}, place)}


CRIME = Files(
    name="crime",
    lacks=f"none of {', '.join(_FILE_NAMES)}",
    find=find_file,
    read=_read,
    download=_download,
    advice=(
        "To provide it, get communities.data of UCI's data set 183 (https://archive.ics.uci.edu/dataset/183) and "
        "name the file or its folder with path= or with the environment variable SUBNETLAB_DATA, or put it into "
        "the cache folder"
    ),
)
