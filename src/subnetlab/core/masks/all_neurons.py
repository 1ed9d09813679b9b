"""The law without randomness: one subnetwork that is the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .law import Drawn

if TYPE_CHECKING:
    from ..arrays import BoolArray


@dataclass(frozen=True)
class AllNeurons(Drawn):
    """Every subnetwork is the whole network, so Algorithm 1 is gradient descent.

    Parameters
    ----------
    n_subnetworks : int, default 1
        p; more than one makes sense with data shards, and is local SGD then.

    Examples
    --------
    >>> bool(AllNeurons().sample(seed=0, round=0, width=5).all())
    True
    """

    n_subnetworks: int = 1

    @property
    def selection_prob(self) -> float:
        """The factor xi = 1."""
        return 1.0

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "all neurons, no masks"

    def draw(self, seed: int, round: int, width: int, subnetworks: range, group: int) -> BoolArray:
        """Return all-true masks, shape (len(subnetworks), m)."""
        return np.ones((len(subnetworks), width), dtype=bool)

    def largest_share(self, width: int) -> float:
        """Return 1."""
        return 1.0
