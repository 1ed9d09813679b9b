"""The data that scikit-learn ships, which need no network.

Diabetes (Efron, Hastie, Johnstone and Tibshirani, 2004), and the digits (a part of UCI's Optical Recognition of
Handwritten Digits). Their files are read where scikit-learn keeps them: to import it takes a second, in each process.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .raw import RawTable, content_sha256

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

_FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")  # of diabetes, the last six of blood serum
_LARGEST_TARGET = 346.0
_FOR_TESTING = 360
_LARGEST_PIXEL = 16


def load_diabetes() -> RawTable:
    """Return 442 patients: 10 features as scikit-learn scales them, the target divided by its largest value.

    The features have mean 0 and the same norm over all 442 rows, so "raw" means that. The target (disease
    progression, 25 to 346) is brought into [0, 1], the range of the crime data's: with targets in the hundreds
    and weights near 1 a network of the paper's width leaves the regime that the paper is about.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    features, target = _diabetes()
    target = target / _LARGEST_TARGET
    return RawTable(
        name="diabetes",
        features=features,
        target=target,
        columns=_FEATURES,
        target_name=f"disease progression / {_LARGEST_TARGET:g}",
        source={
            "kind": "embedded",
            "where": _where(),
            "sha256": content_sha256(_FEATURES, features, target),
        },
    )


def load_digits() -> RawTable:
    """Return 1,437 images of 8 x 8 pixels with their labels, and the last 360 of the source for testing.

    The order of the source is kept, so the images for testing were mostly written by other people.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    table = _digits()
    images, labels = table[:, :-1].astype(np.uint8), table[:, -1].astype(np.int64)
    columns = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    return RawTable(
        name="digits",
        features=images[:-_FOR_TESTING],
        target=labels[:-_FOR_TESTING],
        columns=columns,
        target_name="digit",
        source={
            "kind": "embedded",
            "where": _where(),
            "sha256": content_sha256(columns, images, labels),
        },
        unit=_LARGEST_PIXEL,
        classes=tuple(map(str, range(10))),
        test_features=images[-_FOR_TESTING:],
        test_target=labels[-_FOR_TESTING:],
    )


def _where() -> str:
    return f"scikit-learn {version('scikit-learn')}"


def _diabetes() -> tuple[FloatArray, FloatArray]:
    """Return features and target as scikit-learn's function does, with the same bits."""
    try:
        features, target = _shipped("diabetes_data_raw.csv.gz"), _shipped("diabetes_target.csv.gz")
    except FileNotFoundError:
        from sklearn.datasets import load_diabetes as of_sklearn

        bunch: Any = of_sklearn()
        return bunch.data, bunch.target
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    return features / len(features) ** 0.5, target


def _digits() -> FloatArray:
    """Return the pixels of each image, and its label behind them."""
    try:
        return _shipped("digits.csv.gz", delimiter=",")
    except FileNotFoundError:
        from sklearn.datasets import load_digits as of_sklearn

        bunch: Any = of_sklearn()
        return np.column_stack([bunch.data, bunch.target])


def _shipped(name: str, delimiter: str | None = None) -> FloatArray:
    """Return the numbers of a file of scikit-learn.

    Raises
    ------
    ImportError
        If it is not installed.
    FileNotFoundError
        If its version keeps the file elsewhere.
    """
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
    return np.loadtxt(Path(found.origin).parent / "datasets" / "data" / name, delimiter=delimiter)
