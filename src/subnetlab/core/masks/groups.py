"""The masks of a network with several groups of units: a law for each, and which of them are cut in a round."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from .law import describe, partitions

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..arrays import BoolArray
    from ..units import Units
    from .law import MaskLaw

CutGroups: TypeAlias = Literal["all", "alternate"] | tuple[str, ...]


@dataclass(frozen=True)
class ByGroup:
    """A law for each group of units, by name; groups that are not named stay whole.

    Parameters
    ----------
    laws : mapping from group to MaskLaw
        All with the same number of subnetworks.

    Raises
    ------
    ValueError
        If there is no law, or the laws differ in their number of subnetworks.

    Examples
    --------
    >>> from subnetlab.core.masks import Balanced, Bernoulli
    >>> ByGroup({"fc1": Balanced(4), "fc2": Bernoulli(4, 0.5)}).n_subnetworks
    4
    """

    laws: Mapping[str, MaskLaw]

    def __post_init__(self) -> None:
        counts = {group: law.n_subnetworks for group, law in self.laws.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"TrainingScheme: masks must have one n_subnetworks for all groups, got {counts}")
        object.__setattr__(self, "laws", MappingProxyType(dict(self.laws)))

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.laws.items())))

    @property
    def n_subnetworks(self) -> int:
        """The number of subnetworks, p."""
        return next(iter(self.laws.values())).n_subnetworks

    @property
    def selection_prob(self) -> float:
        """The product over the groups: the chance that a subnetwork holds one given unit of each."""
        return math.prod(law.selection_prob for law in self.laws.values())

    def of_group(self, group: str) -> MaskLaw | None:
        """Return the law of one group, or None if it stays whole."""
        return self.laws.get(group)

    @property
    def partitions(self) -> bool:
        """Whether the laws of all groups do."""
        return all(partitions(law) for law in self.laws.values())

    def describe(self) -> str:
        """Return what the masks are called in a text, group by group."""
        return "; ".join(f"{group}: {describe(law)}" for group, law in self.laws.items())

    def check(self, width: int, rounds: int) -> None:
        """Refuse networks with one group."""
        raise ValueError(f"TrainingScheme: masks must be one law for a shallow network, got {', '.join(self.laws)}")

    def sample(self, seed: int, round: int, width: int, *, group: int = 0) -> BoolArray:
        """Refuse: each group has a law of its own."""
        raise TypeError("ByGroup: masks are drawn for all groups together, by group_masks")

    def sample_subnetwork(self, seed: int, round: int, width: int, subnetwork: int, *, group: int = 0) -> BoolArray:
        """Refuse, as `sample` does."""
        return self.sample(seed, round, width, group=group)

    def largest_share(self, width: int) -> float:
        """Return the largest share of the laws."""
        return max(law.largest_share(width) for law in self.laws.values())


def law_of_group(masks: MaskLaw, group: str) -> MaskLaw | None:
    """Return the law of one group, or None if no law is given for it: then it stays whole."""
    of_group = getattr(masks, "of_group", None)
    return masks if of_group is None else of_group(group)


def check_groups(masks: MaskLaw, cut_groups: CutGroups, units: Units, rounds: int) -> None:
    """Raise ValueError unless the laws and ``cut_groups`` are for these groups and their sizes."""
    known = ", ".join(units.groups) or "none"
    named = masks.laws if isinstance(masks, ByGroup) else getattr(masks, "masks", {})
    listed = () if isinstance(cut_groups, str) else cut_groups
    for argument, names in (("masks", named if isinstance(named, Mapping) else {}), ("cut_groups", listed)):
        for name in names:
            if name not in units.groups:
                raise ValueError(f"TrainingScheme: {argument} must name groups of the network ({known}), got {name!r}")
    for name, size in units.groups.items():
        law = law_of_group(masks, name)
        if law is not None:
            law.check(size, rounds)


def alternating_groups(units: Units) -> list[set[str]]:
    """Return the groups in sets of which one is cut at a time, so that no entry has two cut dimensions.

    Groups that meet in an entry come into different sets; in a chain of layers, every second one.

    Examples
    --------
    >>> from subnetlab.core.units import Units, group_axis
    >>> layers = {f"W{i}": (group_axis(f"h{i}", 8), group_axis(f"h{i - 1}", 8)) for i in (2, 3)}
    >>> [sorted(groups) for groups in alternating_groups(Units({"h1": 8, "h2": 8, "h3": 8}, layers))]
    [['h1', 'h3'], ['h2']]
    """
    pairs = units.meeting_groups()
    sets: list[set[str]] = []
    for group in units.groups:
        for candidate in sets:
            if not any(frozenset((group, other)) in pairs for other in candidate):
                candidate.add(group)
                break
        else:
            sets.append({group})
    return sets


def cut_in_round(cut_groups: CutGroups, units: Units, round: int) -> set[str]:
    """Return the groups that are cut in a round: all, those named, or one set of `alternating_groups` after another."""
    if cut_groups == "all":
        return set(units.groups)
    if cut_groups == "alternate":
        sets = alternating_groups(units)
        return sets[round % len(sets)] if sets else set()
    return set(cut_groups)


def group_masks(
    masks: MaskLaw, seed: int, round: int, groups: Mapping[str, int], cut: Collection[str]
) -> dict[str, BoolArray]:
    """Return M_g for every group: a pure function of (seed, group, round), all True where the group is not cut.

    Parameters
    ----------
    masks : MaskLaw
    seed, round : int
    groups : mapping from name to int
        m_g; the place of a group is its number. The first has the bits of the shallow masks.
    cut : collection of str

    Returns
    -------
    dict from name to ndarray of bool, shape (p, m_g)

    Examples
    --------
    >>> from subnetlab.core.masks import Categorical
    >>> drawn = group_masks(Categorical(2), 0, 0, {"fc1": 3, "fc2": 4}, {"fc2"})
    >>> drawn["fc1"].sum(), drawn["fc2"].sum()
    (np.int64(6), np.int64(4))
    """
    drawn: dict[str, BoolArray] = {}
    for number, (name, size) in enumerate(groups.items()):
        law = law_of_group(masks, name) if name in cut else None
        if law is None:
            drawn[name] = np.ones((masks.n_subnetworks, size), dtype=bool)
        else:  # a law of one's own need not know of groups to serve the first
            drawn[name] = law.sample(seed, round, size, **({"group": number} if number else {}))
    return drawn


def whole_factors(masks: MaskLaw, cut_groups: CutGroups, units: Units, scale: float) -> dict[str, float]:
    """Return what the whole network multiplies each group's outputs by, where they are consumed.

    xi^(1 - a) for every group that some round cuts, 1 for the others; ``scale`` is a.
    """
    factors: dict[str, float] = {}
    for group in units.groups:
        law = law_of_group(masks, group)
        ever = law is not None and (isinstance(cut_groups, str) or group in cut_groups)
        factors[group] = law.selection_prob ** (1 - scale) if law is not None and ever else 1.0
    return factors


def subnetwork_factors(
    masks: MaskLaw, cut: Collection[str], whole: Mapping[str, float], scale: float, subnetwork: int
) -> dict[str, float]:
    """Return what one subnetwork of a round multiplies each group's outputs by, where they are consumed.

    xi^-a where the round cuts the group, with the law's probability for this subnetwork; a group that it leaves whole
    has the factor of the whole network.

    Parameters
    ----------
    masks : MaskLaw
    cut : collection of str
        The groups that the round cuts.
    whole : mapping from group to float
        `whole_factors`.
    scale : float
    subnetwork : int
    """
    factors = dict(whole)
    for group in cut:
        law = law_of_group(masks, group)
        if law is not None:
            shares = getattr(law, "subnetwork_probs", None)
            factors[group] = (law.selection_prob if shares is None else shares[subnetwork]) ** -scale
    return factors
