"""load_dataset(): the one door to all data."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from ..core.randomness import Purpose, permutation
from .files.source import READERS
from .prepare import prepare, take_as_is
from .preprocessing import Preprocessing
from .table import DATASETS, OWN_FILE, DatasetEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.arrays import IntArray
    from .dataset import Dataset

_OWNER = "load_dataset"


class DatasetWarning(UserWarning):
    """Data that are not what the user may take them for; nothing else of a call is changed by it."""


def load_dataset(
    name: str | os.PathLike[str],
    n_samples: int | str | None = None,
    seed: int = 0,
    path: str | os.PathLike[str] | None = None,
    *,
    target: str | int | None = None,
    drop: str | Sequence[str] = (),
    categorical: str | Sequence[str] = (),
    n_validation: int = 0,
    preprocessing: Preprocessing | None = None,
    smallest_eigenvalue: float | None = None,
    n_features: int | None = None,
    download: bool = True,
) -> Dataset:
    """Return data with rows of norm 1, as the paper assumes, and the record of how it was made.

    Parameters
    ----------
    name : str or path
        "crime", "diabetes", "synthetic", "auto", "fashion_mnist", "digits", or the path of your own CSV, TSV, Parquet,
        NPY or NPZ file.
    n_samples : int or "all", optional
        n. None means "all" for images and your own file, otherwise 100, the paper's size. With an
        integer, n rows are drawn without replacement as a pure function of ``seed``, in the order drawn: the
        first 50 of 100 are the 50 of the same seed. "all" keeps the order of the source.
    seed : int, default 0
    path : path, optional
        Of the crime file or the Fashion-MNIST files, or of a folder that holds them; before SUBNETLAB_DATA, the cache
        and the download.
    target : str or int, optional
        Of your own file: the column's name or position (-1 for the last); in an NPZ file the key.
    drop : str or sequence of str
        Of your own file: columns that are left out, whatever they hold.
    categorical : str or sequence of str
        Of your own CSV, TSV or Parquet file: columns of names, such as a city or a zip code. A feature stands for each
        name that occurs in the file, 1 in the rows that have it and 0 in the others.
    n_validation : int, default 0
        Further rows for ``X_validation`` and ``y_validation``, disjoint from the training rows and treated
        with their statistics. With "all", these rows are drawn and the others are for training.
    preprocessing : Preprocessing, optional
        How features and target are treated; by default they are taken as given, and rows are divided by their norm.
        Images keep their norm (pixels in [0, 1], float32) unless a treatment is given.
    smallest_eigenvalue, n_features : optional
        Of "synthetic": lambda_0 (0.1 if None) and d (n if None).
    download : bool, default True
        Whether files may be downloaded.

    Returns
    -------
    Dataset

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule, or a file is not what it must be.
    DatasetNotFoundError, OSError
        If there is no file, or it cannot be read.
    ImportError
        If a file needs a package that is not installed.

    Warns
    -----
    DatasetWarning
        If a column holds whole numbers that float64 cannot tell apart, or the folder that SUBNETLAB_DATA names was of
        no use.

    Examples
    --------
    >>> data = load_dataset("synthetic", n_samples=20, seed=1, smallest_eigenvalue=0.2)
    >>> data.X.shape, data.provenance["source"]["kind"]
    ((20, 20), 'generated')
    """
    checks.instance(_OWNER, "preprocessing", preprocessing or Preprocessing(), Preprocessing)
    seed = checks.seed_number(_OWNER, seed)
    n_validation = checks.whole_number(_OWNER, "n_validation", n_validation, least=0)
    entry, file = _entry(name)
    if preprocessing is None and not entry.labels:
        preprocessing = Preprocessing()
    n_wanted = _wanted(n_samples, entry)
    optional = {
        "path": path,
        "target": target,
        "drop": _column_names("drop", drop) or None,
        "categorical": _column_names("categorical", categorical) or None,
        "smallest_eigenvalue": smallest_eigenvalue,
        "n_features": n_features,
    }
    if path is not None:
        checks.instance(_OWNER, "path", path, str | os.PathLike)
    _check_arguments(name, entry, optional, n_wanted, preprocessing)
    given: dict[str, Any] = {
        **optional,
        "file": file,
        "n_samples": n_wanted,
        "n_validation": n_validation,
        "seed": seed,
        "impute": preprocessing is not None and preprocessing.impute,
        "download": download,
    }
    given |= {name: given[name] or () for name in ("drop", "categorical")}
    table = entry.load(**{argument: given[argument] for argument in entry.accepts})
    for notice in table.notices:
        warnings.warn(notice, DatasetWarning, stacklevel=2)
    rows, validation_rows = _draw(entry, len(table.target), n_wanted, n_validation, seed)
    if preprocessing is None:
        dataset, facts = take_as_is(table, rows, validation_rows)
    else:
        dataset, facts = prepare(table, rows, validation_rows, preprocessing)
    provenance = {
        "name": table.name,
        "requested": os.fspath(name),
        "why": table.why,
        "source": {**table.source, "n_rows": len(table.target)},
        "seed": seed,
        "rows": "all" if n_wanted is None and not n_validation else rows.tolist(),
        "validation_rows": validation_rows.tolist(),
        **facts,
    }
    return replace(dataset, provenance=provenance)


def default_rows(name: str | os.PathLike[str]) -> int | str:
    """Return what ``n_samples=None`` means for a dataset.

    Raises
    ------
    ValueError
        If there is no such dataset.

    Examples
    --------
    >>> default_rows("crime"), default_rows("mine.csv")
    (100, 'all')
    """
    return _entry(name)[0].default_rows or "all"


def _entry(name: str | os.PathLike[str]) -> tuple[DatasetEntry, Path | None]:
    """Return the entry of a name, or that of own files with the file."""
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(f"{_OWNER}: name must be a name or a path, got {name!r}")
    if isinstance(name, str) and name in DATASETS:
        return DATASETS[name], None
    file = Path(os.path.expanduser(name))
    if file.suffix.lower() in READERS:
        return OWN_FILE, file
    raise ValueError(
        f"{_OWNER}: name must be one of {', '.join(DATASETS)}, or a file that ends in {', '.join(READERS)}, "
        f"got {os.fspath(name)!r}"
    )


def _column_names(argument: str, names: str | Sequence[str]) -> tuple[str, ...]:
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        checks.instance(_OWNER, argument, name, str)
    return tuple(dict.fromkeys(names))


def _wanted(n_samples: int | str | None, entry: DatasetEntry) -> int | None:
    """Return the number of rows to draw, or None for all."""
    if n_samples is None:
        return entry.default_rows
    if isinstance(n_samples, str):
        checks.one_of(_OWNER, "n_samples", n_samples, ("all",))
        return None
    return checks.whole_number(_OWNER, "n_samples", n_samples, least=1)


def _check_arguments(
    name: str | os.PathLike[str],
    entry: DatasetEntry,
    optional: dict[str, Any],
    n_wanted: int | None,
    preprocessing: Preprocessing | None,
) -> None:
    for argument, value in optional.items():
        if value is not None and argument not in entry.accepts:
            owners = [other for other, candidate in DATASETS.items() if argument in candidate.accepts]
            whose = " and ".join(owners) or "your own files (give the file as the name)"
            raise ValueError(f"{_OWNER}: {argument} is for {whose}, got {value!r} with {os.fspath(name)!r}")
    if entry.labels and preprocessing is not None and preprocessing.centre_target:
        raise ValueError(
            f"{_OWNER}: preprocessing of {os.fspath(name)!r} must keep centre_target False, as its target is a class "
            f"label, got {preprocessing}"
        )
    if entry.generated and n_wanted is None:
        raise ValueError(f"{_OWNER}: n_samples must be a number for {os.fspath(name)!r}, got 'all'")
    if entry.generated and preprocessing is not None and (preprocessing.scaling != "raw" or preprocessing.intercept):
        raise ValueError(
            f"{_OWNER}: preprocessing of {os.fspath(name)!r} must keep scaling 'raw' and no intercept, "
            f"or its lambda_0 would not be the one chosen, got {preprocessing}"
        )


def _draw(
    entry: DatasetEntry, n_rows: int, n_wanted: int | None, n_validation: int, seed: int
) -> tuple[IntArray, IntArray]:
    """Return the training rows and the validation rows."""
    n = n_rows - n_validation if n_wanted is None else n_wanted
    if n < 1 or n + n_validation > n_rows:
        raise ValueError(
            f"{_OWNER}: n_samples and n_validation must leave a row to train on and not exceed the "
            f"{n_rows} rows there are, got {'all' if n_wanted is None else n_wanted} and {n_validation}"
        )
    natural = entry.generated or (n_wanted is None and not n_validation)
    order = np.arange(n_rows) if natural else permutation(seed, Purpose.DATA_ROWS, 0, 0, n_rows)
    return order[:n], order[n : n + n_validation]
