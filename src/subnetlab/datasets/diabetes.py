"""scikit-learn's diabetes data (Efron, Hastie, Johnstone and Tibshirani, 2004): needs no network."""

from __future__ import annotations

from typing import Any

from .raw import RawTable, content_sha256

_LARGEST_TARGET = 346.0


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
    from sklearn import __version__
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
            "where": f"scikit-learn {__version__}",
            "sha256": content_sha256(columns, features, target),
        },
    )
