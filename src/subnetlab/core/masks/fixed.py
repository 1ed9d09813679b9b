"""Masks given by the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .law import Drawn

if TYPE_CHECKING:
    from ..arrays import BoolArray


@dataclass(frozen=True, eq=False)
class FixedMasks(Drawn):
    """Masks that are given, one (p, m) array per round.

    Parameters
    ----------
    masks : array of bool, shape (K, p, m), or mapping from group to such arrays
        Round k uses ``masks[k]``. A network with several groups of units takes an array for each of them, all with the
        same p; groups that are not named stay whole.
    selection_prob : float
        The factor xi of the full model, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If the masks are not boolean or not of three dimensions, groups differ in p, or xi is outside (0, 1].

    Examples
    --------
    >>> law = FixedMasks(np.ones((2, 1, 3), dtype=bool), selection_prob=1.0)
    >>> law.sample(seed=0, round=1, width=3)
    array([[ True,  True,  True]])
    """

    masks: BoolArray | Mapping[str, BoolArray]
    selection_prob: float

    def __post_init__(self) -> None:
        xi = checks.probability("FixedMasks", "selection_prob", self.selection_prob)
        object.__setattr__(self, "selection_prob", xi)
        if isinstance(self.masks, Mapping):
            if not self.masks:
                raise ValueError("FixedMasks: masks must name at least one group")
            groups = {str(name): _checked(masks, f"masks[{name!r}]") for name, masks in self.masks.items()}
            counts = {name: masks.shape[1] for name, masks in groups.items()}
            if len(set(counts.values())) > 1:
                raise ValueError(f"FixedMasks: masks must have the same p in all groups, got {counts}")
            object.__setattr__(self, "masks", MappingProxyType(groups))
        else:
            object.__setattr__(self, "masks", _checked(self.masks, "masks"))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FixedMasks):
            return NotImplemented
        mine, theirs = self._by_group(), other._by_group()
        same = mine.keys() == theirs.keys() and all(np.array_equal(mine[g], theirs[g]) for g in mine)
        return same and self.selection_prob == other.selection_prob

    def __hash__(self) -> int:
        return hash((self.selection_prob, *((g, m.shape, m.tobytes()) for g, m in sorted(self._by_group().items()))))

    @property
    def n_subnetworks(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The number of subnetworks, p."""
        return next(iter(self._by_group().values())).shape[1]

    def of_group(self, group: str) -> FixedMasks | None:
        """Return the masks of one group, or None if they leave it whole."""
        if not isinstance(self.masks, Mapping):
            return self
        return FixedMasks(self.masks[group], self.selection_prob) if group in self.masks else None

    @property
    def partitions(self) -> bool:
        """Whether the masks given put every neuron into exactly one subnetwork."""
        return all(bool((masks.sum(axis=1) == 1).all()) for masks in self._by_group().values())

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "given masks"

    def check(self, width: int, rounds: int) -> None:
        """Raise ValueError unless the masks are for ``width`` neurons and at least ``rounds`` rounds."""
        given_rounds, _, given_width = self._one_array().shape
        if given_width != width:
            raise ValueError(f"FixedMasks: masks must be for {width} neurons, got {given_width}")
        if given_rounds < rounds:
            raise ValueError(f"FixedMasks: masks must cover {rounds} rounds, got {given_rounds}")

    def draw(self, seed: int, round: int, width: int, subnetworks: range, group: int) -> BoolArray:
        """Return the masks given for consecutive subnetworks of a round."""
        return self._one_array()[round, subnetworks.start : subnetworks.stop]

    def largest_share(self, width: int) -> float:
        """Return the share of the neurons in the largest mask given."""
        return max(float(masks.mean(axis=2).max()) for masks in self._by_group().values())

    def _by_group(self) -> Mapping[str, BoolArray]:
        return self.masks if isinstance(self.masks, Mapping) else {"": self.masks}

    def _one_array(self) -> BoolArray:
        if isinstance(self.masks, Mapping):
            raise ValueError(f"FixedMasks: masks must be one array for one group, got groups {', '.join(self.masks)}")
        return self.masks


def _checked(given: Any, name: str) -> BoolArray:
    masks = np.array(given)  # a private copy
    if masks.dtype != bool:
        raise TypeError(f"FixedMasks: {name} must be an array of bool, got {masks.dtype}")
    if masks.ndim != 3 or 0 in masks.shape:
        raise ValueError(f"FixedMasks: {name} must have shape (rounds, p, m), got {masks.shape}")
    masks.flags.writeable = False
    return masks
