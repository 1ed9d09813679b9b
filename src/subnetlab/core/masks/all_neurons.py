"""The law without randomness: one subnetwork that is the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from .law import check_draw

if TYPE_CHECKING:
    from ..arrays import BoolArray


@dataclass(frozen=True)
class AllNeurons:
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

    def __post_init__(self) -> None:
        p = checks.whole_number("AllNeurons", "n_subnetworks", self.n_subnetworks, least=1)
        object.__setattr__(self, "n_subnetworks", p)

    @property
    def selection_prob(self) -> float:
        """The factor xi = 1."""
        return 1.0

    @property
    def partitions(self) -> bool:
        """False: the neurons are not dealt out, every subnetwork holds all of them."""
        return False

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "all neurons, no masks"

    def check(self, width: int, rounds: int) -> None:
        """Accept every width and number of rounds."""

    def sample(self, seed: int, round: int, width: int, *, group: int = 0) -> BoolArray:
        """Return all-true masks, shape (p, m)."""
        check_draw(self, seed, round, width, group=group)
        return np.ones((self.n_subnetworks, width), dtype=bool)

    def sample_subnetwork(self, seed: int, round: int, width: int, subnetwork: int, *, group: int = 0) -> BoolArray:
        """Return an all-true mask, shape (m,)."""
        check_draw(self, seed, round, width, subnetwork, group=group)
        return np.ones(width, dtype=bool)

    def largest_share(self, width: int) -> float:
        """Return 1."""
        return 1.0
