"""The dataset of somebody who has not chosen one: crime where it can be had, otherwise diabetes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .crime.source import CRIME, load_crime
from .diabetes import load_diabetes
from .errors import DatasetNotFoundError
from .search import environment_notice

if TYPE_CHECKING:
    import os

    from .raw import RawTable


def load_auto(*, path: str | os.PathLike[str] | None = None, impute: bool = False, download: bool = True) -> RawTable:
    """Return the paper's data, or the embedded data with the reason.

    A path that is given and a damaged file are no reason to fall back: they are errors of `load_crime`.
    """
    try:
        table = load_crime(path=path, impute=impute, download=download)
    except DatasetNotFoundError as error:
        if path is not None:
            raise
        why = f"auto: the paper's crime data could not be had: {error.reasons}"
        return replace(load_diabetes(), why=why, notices=environment_notice(CRIME, "diabetes"))
    return replace(table, why=f"auto: the paper's data, found in {table.source['where']}")
