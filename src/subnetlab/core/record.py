"""What one round of Algorithm 1 measured; every engine returns this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .arrays import FloatArray


@dataclass(frozen=True)
class RoundRecord:
    """Errors of one round, all on all rows of the data.

    Parameters
    ----------
    subnetwork_errors : ndarray of float64, shape (tau + 1, p)
        |y - f^l|^2 right after sampling (row 0) and after each local step.
    full_error : float
        |y - u_{k+1}|^2 of the whole network after aggregation.
    """

    subnetwork_errors: FloatArray
    full_error: float
