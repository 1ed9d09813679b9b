"""Independent Bernoulli masks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..randomness import Purpose, rows_of_words
from .law import Drawn

if TYPE_CHECKING:
    from ..arrays import BoolArray


@dataclass(frozen=True)
class Bernoulli(Drawn):
    """Every subnetwork holds every neuron with probability xi, independently (Theorem 3).

    Parameters
    ----------
    n_subnetworks : int
        p, at least 1.
    selection_prob : float
        xi, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.

    Examples
    --------
    >>> law = Bernoulli(n_subnetworks=3, selection_prob=0.5)
    >>> law.sample(seed=0, round=4, width=1000).mean(axis=1).round(1)
    array([0.5, 0.5, 0.5])
    """

    n_subnetworks: int
    selection_prob: float

    def __post_init__(self) -> None:
        super().__post_init__()
        xi = checks.probability("Bernoulli", "selection_prob", self.selection_prob)
        object.__setattr__(self, "selection_prob", xi)

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "Bernoulli masks"

    def draw(self, seed: int, round: int, width: int, subnetworks: range, group: int) -> BoolArray:
        """Return the masks of consecutive subnetworks, each drawn from words of its own."""
        words = rows_of_words(seed, Purpose.MASKS, round, subnetworks.start, len(subnetworks), width, group=group)
        threshold = np.uint64(math.ceil(self.selection_prob * 2**53))
        return (words >> np.uint64(11)) < threshold

    def largest_share(self, width: int) -> float:
        """Return xi plus the expected excess of the largest of p binomial counts, at most 1.

        The excess of the maximum of p sub-Gaussian variables is at most sqrt(2 ln p) deviations.
        """
        xi = self.selection_prob
        deviation = math.sqrt(xi * (1 - xi) / width)
        return min(1.0, xi + deviation * math.sqrt(2 * math.log(self.n_subnetworks)))
