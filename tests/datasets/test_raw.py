"""The hash of parsed content: the same for the same names and numbers, another for others."""

import numpy as np
import pytest

from subnetlab.datasets.raw import content_sha256

NAMES = ("a", "b")
FEATURES = np.array([[1.0, 2.0], [3.0, np.nan]])
TARGET = np.array([5.0, 6.0])


def test_same_content_in_other_memory():
    expected = content_sha256(NAMES, FEATURES, TARGET)
    signalling = FEATURES.copy()
    signalling.view(np.uint64)[1, 1] = 0xFFF8_0000_0000_0123  # NaN in other bits
    assert np.isnan(signalling[1, 1])
    for features in (FEATURES.astype(">f8"), np.asfortranarray(FEATURES), signalling):
        assert content_sha256(NAMES, features, TARGET) == expected


@pytest.mark.parametrize(
    ("names", "features", "target"),
    [
        (("a", "c"), FEATURES, TARGET),
        (NAMES, FEATURES + 1e-15, TARGET),
        (NAMES, FEATURES, TARGET[::-1]),
        (NAMES, FEATURES.reshape(4, 1), TARGET),
        (NAMES, FEATURES, TARGET.reshape(2, 1)),
    ],
)
def test_other_content(names, features, target):
    assert content_sha256(names, features, target) != content_sha256(NAMES, FEATURES, TARGET)
