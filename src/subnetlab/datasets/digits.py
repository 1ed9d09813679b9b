"""scikit-learn's digits (a part of UCI's Optical Recognition of Handwritten Digits): images without a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from .raw import RawTable, content_sha256

_FOR_TESTING = 360
_LARGEST_PIXEL = 16


def load_digits() -> RawTable:
    """Return 1,437 images of 8 x 8 pixels with their labels, and the last 360 of the source for testing.

    The order of the source is kept, so the images for testing were mostly written by other people.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    from sklearn import __version__
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
            "where": f"scikit-learn {__version__}",
            "sha256": content_sha256(columns, images, labels),
        },
        unit=_LARGEST_PIXEL,
        classes=tuple(str(name) for name in bunch.target_names),
        test_features=images[-_FOR_TESTING:],
        test_target=labels[-_FOR_TESTING:],
    )
