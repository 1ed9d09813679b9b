"""Masks given by the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from .law import check_draw

if TYPE_CHECKING:
    from ..arrays import BoolArray


@dataclass(frozen=True, eq=False)
class FixedMasks:
    """Masks that are given, one (p, m) array per round.

    Parameters
    ----------
    masks : array of bool, shape (K, p, m)
        Round k uses ``masks[k]``.
    selection_prob : float
        The factor xi of the full model, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If the masks are not boolean or not of three dimensions, or xi is outside (0, 1].

    Examples
    --------
    >>> law = FixedMasks(np.ones((2, 1, 3), dtype=bool), selection_prob=1.0)
    >>> law.sample(seed=0, round=1, width=3)
    array([[ True,  True,  True]])
    """

    masks: BoolArray
    selection_prob: float

    def __post_init__(self) -> None:
        masks = np.array(self.masks)  # a private copy
        if masks.dtype != bool:
            raise TypeError(f"FixedMasks: masks must be an array of bool, got {masks.dtype}")
        if masks.ndim != 3 or 0 in masks.shape:
            raise ValueError(f"FixedMasks: masks must have shape (rounds, p, m), got {masks.shape}")
        xi = checks.probability("FixedMasks", "selection_prob", self.selection_prob)
        masks.flags.writeable = False
        object.__setattr__(self, "selection_prob", xi)
        object.__setattr__(self, "masks", masks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FixedMasks):
            return NotImplemented
        return self.selection_prob == other.selection_prob and np.array_equal(self.masks, other.masks)

    def __hash__(self) -> int:
        return hash((self.masks.shape, self.masks.tobytes(), self.selection_prob))

    @property
    def n_subnetworks(self) -> int:
        """The number of subnetworks, p."""
        return self.masks.shape[1]

    def check(self, width: int, rounds: int) -> None:
        """Raise ValueError unless the masks are for ``width`` neurons and at least ``rounds`` rounds."""
        given_rounds, _, given_width = self.masks.shape
        if given_width != width:
            raise ValueError(f"FixedMasks: masks must be for {width} neurons, got {given_width}")
        if given_rounds < rounds:
            raise ValueError(f"FixedMasks: masks must cover {rounds} rounds, got {given_rounds}")

    def sample(self, seed: int, round: int, width: int, *, group: int = 0) -> BoolArray:
        """Return the masks given for one round, shape (p, m)."""
        check_draw(self, seed, round, width, group=group)
        return self.masks[round]

    def sample_subnetwork(self, seed: int, round: int, width: int, subnetwork: int, *, group: int = 0) -> BoolArray:
        """Return the mask given for one subnetwork, shape (m,)."""
        check_draw(self, seed, round, width, subnetwork, group=group)
        return self.masks[round, subnetwork]

    def largest_share(self, width: int) -> float:
        """Return the share of the neurons in the largest mask given."""
        return float(self.masks.mean(axis=2).max())
