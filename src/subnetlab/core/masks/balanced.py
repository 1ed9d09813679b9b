"""Equal parts: every neuron belongs to exactly one subnetwork, and all subnetworks have the same size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..randomness import Purpose, blocks_for, random_words
from .law import Dealt

if TYPE_CHECKING:
    from ..arrays import IntArray


@dataclass(frozen=True)
class Balanced(Dealt):
    """The neurons are dealt out anew in each round, as evenly as possible (what IST's authors' code does).

    Like `Categorical`, but the sizes of the subnetworks are known beforehand and differ by at most one, so that a
    smaller module can be made once and refilled in every round.

    Parameters
    ----------
    n_subnetworks : int
        p, at least 1 and at most the number of neurons.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.

    Examples
    --------
    >>> Balanced(n_subnetworks=4).sample(seed=0, round=0, width=10).sum(axis=1)
    array([3, 3, 2, 2])
    """

    n_subnetworks: int

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "equal parts"

    def check(self, width: int, rounds: int) -> None:
        """Raise ValueError if some subnetwork would have no neuron."""
        if width < self.n_subnetworks:
            raise ValueError(f"Balanced: n_subnetworks must be at most the width {width}, got {self.n_subnetworks}")

    def owners(self, seed: int, round: int, width: int, *, group: int = 0) -> IntArray:
        """Return the subnetwork that each neuron belongs to, shape (m,): a random order, cut into p stretches."""
        words = random_words(seed, Purpose.MASKS, round, 0, blocks_for(width), group=group)[:width]
        owners = np.empty(width, dtype=np.int64)
        for subnetwork, part in enumerate(np.array_split(np.argsort(words, kind="stable"), self.n_subnetworks)):
            owners[part] = subnetwork
        return owners

    def largest_share(self, width: int) -> float:
        """Return the share of the first subnetwork, which is the largest."""
        return -(-width // self.n_subnetworks) / width
