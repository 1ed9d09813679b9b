"""Rounds that do not wait for everybody: who is late is an unselected neuron in the paper's sense.

A late worker gives up its subnetworks: they do not move, and the others do not wait for its remaining steps. Weights
still travel at the start of a round, so this helps against slow processors, not against slow networks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ...core.arrays import BoolArray
    from .transport import Transport


class Deadline(Protocol):
    """The end of the local steps of one round."""

    def passed(self, l: int) -> bool:
        """Return whether subnetwork l has to be given up; asked before each of its steps."""
        ...

    def report(self) -> None:
        """Tell that this process has done its local steps."""
        ...


class ShareDeadline:
    """Passed when a share of the workers has reported."""

    def __init__(self, transport: Transport, round: int, share: float) -> None:
        self._transport = transport
        self._key = f"done/{round}"
        self._enough = math.ceil(share * transport.size)

    def passed(self, l: int) -> bool:
        """Ask the store, one round trip."""
        return self._transport.count(self._key) >= self._enough

    def report(self) -> None:
        """Count this process in the store."""
        self._transport.count(self._key, 1)


class RecordedDeadline:
    """Passed for the subnetworks that were late in a recorded round: runs it again with the same bits.

    Parameters
    ----------
    late : ndarray of bool, shape (p,)
    """

    def __init__(self, late: BoolArray) -> None:
        self._late = late

    def passed(self, l: int) -> bool:
        """Look it up."""
        return bool(self._late[l])

    def report(self) -> None:
        """Do nothing: nobody waits."""
