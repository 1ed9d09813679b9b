"""Names for the kinds of arrays that the package passes around, and how finely float64 rounds."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.integer[Any]]
WordArray: TypeAlias = NDArray[np.uint64]

UNIT_ROUNDOFF = 2.0**-53
"""The u of error analysis: a float64 operation is off by at most this share of its exact result."""
