"""What the rounds of a job measured and cost; every worker keeps the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import BoolArray, FloatArray
    from ..core.record import RoundRecord

COSTS = ("workers", "bytes_sent", "seconds_computing", "seconds_waiting")
"""Columns of ``costs``: processes, payload sent by all of them, and the largest of their times."""

_DIVERGED = 1e10  # times the scale of the start


class Ledger:
    """Errors and costs of the completed rounds.

    Parameters
    ----------
    local_steps, n_subnetworks : int
        tau and p.
    """

    def __init__(self, local_steps: int, n_subnetworks: int) -> None:
        self._shape = (local_steps + 1, n_subnetworks)
        self._errors: list[FloatArray] = []
        self._full: list[float] = []
        self._costs: list[FloatArray] = []
        self._late: list[BoolArray] = []

    @property
    def rounds(self) -> int:
        """The number of completed rounds."""
        return len(self._errors)

    def begin(self, full_error: float) -> None:
        """Note |y - u_0|^2."""
        self._full = [full_error]

    def add(self, record: RoundRecord, late: BoolArray) -> None:
        """Note a round, and the subnetworks that were given up in it, shape (p,)."""
        self._late.append(late)
        self._errors.append(record.subnetwork_errors)
        self._full.append(record.full_error)

    def add_costs(self, notes: list[FloatArray]) -> None:
        """Note what a round cost: bytes, seconds computing and seconds waiting of each process."""
        table = np.array(notes)
        self._costs.append(np.array([len(table), table[:, 0].sum(), table[:, 1].max(), table[:, 2].max()]))

    def diverged(self, record: RoundRecord, energy: float) -> bool:
        """Return whether an error is not finite or 1e10 times the scale of the start, ``energy`` being |y|^2."""
        errors = np.append(record.subnetwork_errors, record.full_error)
        first = self._errors[0][0].max() if self._errors else 0.0
        return not np.all(errors <= _DIVERGED * max(energy, self._full[0], first))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all as arrays.

        Returns
        -------
        dict
            ``subnetwork_errors`` (K, tau + 1, p), ``full_error`` (K + 1,), ``late`` (K, p) and ``costs`` (K, 4),
            see `COSTS`.
        """
        return {
            "subnetwork_errors": np.array(self._errors).reshape(-1, *self._shape),
            "full_error": np.array(self._full),
            "late": np.array(self._late, bool).reshape(-1, self._shape[1]),
            "costs": np.array(self._costs).reshape(-1, len(COSTS)),
        }

    def continue_from(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what `arrays` returned."""
        self._errors = list(arrays["subnetwork_errors"])
        self._full = [float(error) for error in arrays["full_error"]]
        self._late = list(arrays["late"])
        self._costs = list(arrays["costs"])
