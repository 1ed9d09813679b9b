"""The datasets by name. One line here and one file beside it add a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .crime.source import CRIME, load_crime
from .embedded import load_diabetes, load_digits
from .fashion_mnist import load_fashion_mnist
from .files.source import load_file
from .search import DatasetNotFoundError, environment_notice
from .synthetic import load_synthetic

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from .raw import RawTable


@dataclass(frozen=True)
class DatasetEntry:
    """One dataset as the table lists it.

    Parameters
    ----------
    load : callable
        Returns the raw table.
    accepts : tuple of str
        Which of the arguments of `load_dataset` the loader takes.
    default_rows : int or None
        How many rows are drawn if the user does not say; None for all.
    summary : str
        One line for people who choose.
    generated : bool
        Its rows are made as they are wanted: none are drawn, and they must not be rescaled.
    labels : bool
        Its target is a class label, and its rows are images that keep their norm unless a treatment is asked for.
    """

    load: Callable[..., RawTable]
    accepts: tuple[str, ...]
    default_rows: int | None
    summary: str
    generated: bool = False
    labels: bool = False


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


DATASETS: dict[str, DatasetEntry] = {
    "crime": DatasetEntry(
        load_crime,
        ("path", "impute", "download"),
        default_rows=100,
        summary="Communities and Crime (UCI 183), the paper's data: 1,994 rows, 99 or 100 features",
    ),
    "diabetes": DatasetEntry(
        load_diabetes,
        (),
        default_rows=100,
        summary="scikit-learn's diabetes data, needs no network: 442 rows, 10 features",
    ),
    "synthetic": DatasetEntry(
        load_synthetic,
        ("n_samples", "n_validation", "seed", "smallest_eigenvalue", "n_features"),
        default_rows=100,
        summary="unit rows with a chosen lambda_0, needs no network: any size",
        generated=True,
    ),
    "fashion_mnist": DatasetEntry(
        load_fashion_mnist,
        ("path", "download"),
        default_rows=None,
        summary="Fashion-MNIST, class labels: 60,000 images of 28 x 28 pixels, and 10,000 for testing",
        labels=True,
    ),
    "digits": DatasetEntry(
        load_digits,
        (),
        default_rows=None,
        summary="scikit-learn's digits, class labels, no network: 1,437 images of 8 x 8 pixels, and 360 for testing",
        labels=True,
    ),
    "auto": DatasetEntry(
        load_auto,
        ("path", "impute", "download"),
        default_rows=100,
        summary="crime where it can be had, otherwise diabetes, saying which and why",
    ),
}

OWN_FILE = DatasetEntry(
    load_file,
    ("file", "target", "drop", "categorical"),
    default_rows=None,
    summary="your own CSV, TSV, Parquet, NPY or NPZ file: its path, with target=",
)


def check_numeric_targets(owner: str, name: str) -> None:
    """Raise if a dataset has class labels, for those who predict numbers; loads nothing.

    A label's number means nothing, so a network that is fitted to it by least squares learns an order of the classes
    that they do not have.

    Parameters
    ----------
    owner : str
        Who asks.
    name : str
        A dataset's name, or a file.

    Raises
    ------
    ValueError
        If it has labels; it says what to do with them.

    Examples
    --------
    >>> check_numeric_targets("train", "digits")
    Traceback (most recent call last):
    ValueError: train: dataset must have numbers to predict, got the class labels of 'digits'; ...
    """
    if has_labels(name):
        raise ValueError(
            f"{owner}: dataset must have numbers to predict, got the class labels of {name!r}; in Python, "
            f"load_dataset({name!r}) gives X, y, test_X and test_y for subnetlab.SubnetClassifier or a torch module "
            "(docs/data.md)"
        )


def has_labels(name: str) -> bool:
    """Return whether a dataset's target is a class label; loads nothing.

    Examples
    --------
    >>> has_labels("digits"), has_labels("crime"), has_labels("mine.csv")
    (True, False, False)
    """
    return name in DATASETS and DATASETS[name].labels
