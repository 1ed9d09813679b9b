"""Rows of another file, treated as those that a network was trained on: what it needs to predict for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.inputs import LARGEST
from ..input_file import FileContentError, open_input
from .files.contents import one_hot
from .files.source import TABLES
from .preprocessing import OF_FEATURES, Preprocessing, Statistics, transform

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from ..core.arrays import FloatArray
    from .files.contents import Kind, Table

_RECORDED = ("columns", "left_out", "target", "preprocessing")


def load_new_rows(
    path: str | os.PathLike[str], provenance: Mapping[str, Any], *, owner: str = "load_new_rows", argument: str = "path"
) -> FloatArray:
    """Return the rows of a file as `load_dataset` would have made them, had they been among the validation rows.

    Parameters
    ----------
    path : path
        A CSV, TSV, Parquet or NPY file with the columns that the data had, in any order. The target and the columns
        that were left out of the data may be there; they are not read.
    provenance : mapping
        Of the data that the network was trained on (`Dataset.provenance`): columns, categories, treatment, and the
        statistics of the training rows.
    owner, argument : str
        Whose argument names the file: errors begin with them.

    Returns
    -------
    ndarray of float64, shape (N, d)

    Raises
    ------
    ValueError
        If the file is of another format, or the provenance does not say how rows are treated.
    FileContentError
        If a column is missing or unknown, a category was not in the data, a value is missing, or a row is zero.
    OSError
        If there is no such file, or it cannot be read.
    """
    path = Path(path)
    treatment, statistics, wanted, categories = _treatment(provenance, owner)
    if (ending := path.suffix.lower()) not in TABLES:
        raise ValueError(f"{owner}: {argument} must be a file that ends in {', '.join(TABLES)}, got {str(path)!r}")

    def kind(name: str) -> Kind:
        return "text" if name in categories else "number" if name in wanted else "skip"

    with open_input(path, owner=owner, argument=argument) as file:
        table = TABLES[ending](file, kind, f"{owner}: {path}")
    _check_columns(table, wanted, {provenance["target"]["name"], *provenance["left_out"]}, f"{owner}: {path}")
    places = [table.names.index(name) for name in wanted]
    values = table.values[:, places].copy()
    for j, name in enumerate(wanted):
        if name in categories:
            values[:, j] = _known(values[:, j], table.categories[name], categories[name], name, f"{owner}: {path}")
    _check_values(values, wanted, treatment, f"{owner}: {path}")
    X = transform(treatment, statistics, one_hot(wanted, values, categories)[1])
    zero = np.flatnonzero(~X.any(axis=1))
    if len(zero):
        raise FileContentError(f"{owner}: {path}: no row may be zero after scaling, got row {zero[0]} (counted from 0)")
    return X


def _treatment(
    provenance: Mapping[str, Any], owner: str
) -> tuple[Preprocessing, Statistics, tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return how rows are treated, and the columns of a file that make the features, with their categories."""
    if any(provenance.get(name) is None for name in _RECORDED):
        raise ValueError(f"{owner}: the provenance must say how rows are treated ({', '.join(_RECORDED)})")
    treatment = Preprocessing(**provenance["preprocessing"])
    columns = provenance["columns"][: -1 if treatment.intercept else None]
    categories = {name: tuple(found) for name, found in provenance.get("categorical", {}).items()}
    source = {f"{name}={category}": name for name, found in categories.items() for category in found}
    wanted = tuple(dict.fromkeys(source.get(column, column) for column in columns))
    recorded = provenance.get("statistics")
    if recorded is None:
        if treatment.scaling != "raw" or treatment.impute:
            raise ValueError(
                f"{owner}: the data must have been loaded by a version that keeps the statistics of the columns, which "
                f"{treatment} needs; train again"
            )
        recorded = dict(zip(OF_FEATURES, np.zeros((len(OF_FEATURES), len(columns))), strict=True))
    arrays = {name: np.asarray(recorded[name], np.float64) for name in OF_FEATURES}
    if any(array.shape != (len(columns),) for array in arrays.values()):
        raise ValueError(f"{owner}: the provenance must have statistics of all {len(columns)} columns")
    return treatment, Statistics(**arrays, target_shift=0.0), wanted, categories


def _check_columns(table: Table, wanted: tuple[str, ...], ignored: set[str], owner: str) -> None:
    missing = [name for name in wanted if name not in table.names]
    unknown = [name for name in table.names if name not in wanted and name not in ignored]
    if missing or unknown:
        lacks = f"lacks {_listed(missing)}" if missing else ""
        has = f"has {_listed(unknown)}" if unknown else ""
        problem = " and ".join(filter(None, (lacks, has)))
        raise FileContentError(f"{owner}: must have the columns of the run's data, but {problem}")
    repeated = [name for name in wanted if table.names.count(name) > 1]
    if repeated:
        raise FileContentError(f"{owner}: column names must differ, got {repeated[0]!r} more than once")


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")


def _known(codes: FloatArray, here: tuple[str, ...], known: tuple[str, ...], name: str, owner: str) -> FloatArray:
    """Return the positions of the categories among those that the data had."""
    for place, category in enumerate(here):
        if category not in known:
            row = int(np.flatnonzero(codes == place)[0])
            raise FileContentError(
                f"{owner}: column {name!r} must hold categories of the run's data ({_listed(list(known))}), got "
                f"{category!r} in row {row} (counted from 0)"
            )
    place_of = np.array([known.index(category) for category in here] or [0], np.float64)
    missing = np.isnan(codes)
    return np.where(missing, np.nan, place_of[np.where(missing, 0, codes).astype(np.int64)])


def _check_values(values: FloatArray, names: tuple[str, ...], treatment: Preprocessing, owner: str) -> None:
    missing = np.isnan(values)
    bad = np.argwhere(missing) if not treatment.impute else np.empty((0, 2), int)
    rule = "must have no missing values, as the run's data were loaded without impute"
    if not len(bad):
        bad = np.argwhere(~missing & ~(np.abs(values) <= LARGEST))
        rule = f"must hold numbers of at most {LARGEST:g} in size"
    if len(bad):
        i, j = bad[0]
        raise FileContentError(
            f"{owner}: {rule}, got {values[i, j]} in column {names[j]!r} of row {i} (counted from 0)"
        )
