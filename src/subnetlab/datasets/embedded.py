"""The data that scikit-learn ships, which need no network.

Diabetes (Efron, Hastie, Johnstone and Tibshirani, 2004), and the digits (a part of UCI's Optical Recognition of
Handwritten Digits).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .raw import RawTable, content_sha256

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
    from sklearn.datasets import load_diabetes as embedded

    bunch: Any = embedded()
    columns = tuple(str(name) for name in bunch.feature_names)
    features, target = bunch.data, bunch.target / _LARGEST_TARGET
    return RawTable(
        name="diabetes",
        features=features,
        target=target,
        columns=columns,
        target_name=f"disease progression / {_LARGEST_TARGET:g}",
        source={
            "kind": "embedded",
            "where": _where(),
            "sha256": content_sha256(columns, features, target),
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
    from sklearn.datasets import load_digits as embedded

    bunch: Any = embedded()
    images, labels = bunch.data.astype(np.uint8), bunch.target.astype(np.int64)
    columns = tuple(str(name) for name in bunch.feature_names)
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
        classes=tuple(str(name) for name in bunch.target_names),
        test_features=images[-_FOR_TESTING:],
        test_target=labels[-_FOR_TESTING:],
    )


def _where() -> str:
    from sklearn import __version__

    return f"scikit-learn {__version__}"
