"""Units in groups, and the entries of each parameter that a subnetwork holds: masks for networks of any shape.

A unit is what a mask selects or leaves out: a hidden neuron, a channel, an attention head. Interchangeable units form a
group. Every axis of a parameter is described by its factors, some of which are groups; a subnetwork holds an entry if
its masks select the units on all axes of the entry. The paper's network is the case of one group::

    weights (m, d)    rows carry the group, columns carry none
    output weights    the group

A fused projection to queries, keys and values of 4 heads with 6 entries each is 3 x 4 x 6 rows: `Factor(3)`,
`Factor(4, "heads")`, `Factor(6)`. An axis that joins several tensors has several parts, one after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .arrays import BoolArray, IntArray


@dataclass(frozen=True)
class Factor:
    """One factor of an axis: ``size`` entries, which are the units of ``group``, or of no group.

    Parameters
    ----------
    size : int
        At least 1.
    group : str, optional
        The group whose units these are; None for a factor that every subnetwork holds whole.
    first : int, default 0
        The first of these units: a residual block's parameters belong to one unit of the group of blocks.
    """

    size: int
    group: str | None = None
    first: int = 0


Part: TypeAlias = tuple[Factor, ...]  # an ordered product; the last factor varies fastest
Axis: TypeAlias = tuple[Part, ...]  # a concatenation of parts


def whole_axis(size: int) -> Axis:
    """Return the axis without a group: every subnetwork holds all of it."""
    return ((Factor(size),),)


def group_axis(group: str, size: int, *, copies: int = 1, repeat: int = 1) -> Axis:
    """Return the axis of a group: ``copies`` times each unit's ``repeat`` consecutive entries.

    Examples
    --------
    >>> axis_length(group_axis("heads", 4, copies=3, repeat=6))
    72
    """
    factors = (Factor(copies), Factor(size, group), Factor(repeat))
    return (tuple(f for f in factors if f.group is not None or f.size > 1),)


def axis_length(axis: Axis) -> int:
    """Return the number of entries along the axis."""
    return sum(prod(f.size for f in part) for part in axis)


def axis_groups(axis: Axis) -> set[str]:
    """Return the groups that the axis carries."""
    return {f.group for part in axis for f in part if f.group is not None}


def held_on_axis(axis: Axis, masks: Mapping[str, BoolArray]) -> BoolArray:
    """Return which entries along the axis the masks select.

    Parameters
    ----------
    axis : Axis
    masks : mapping from group to ndarray of bool, shape (..., m_g)
        Leading dimensions, such as the p subnetworks of a round, are kept.

    Returns
    -------
    ndarray of bool, shape (..., length of the axis)

    Examples
    --------
    >>> held_on_axis(group_axis("heads", 2, copies=2, repeat=2), {"heads": np.array([True, False])}).astype(int)
    array([1, 1, 0, 0, 1, 1, 0, 0])
    """
    leading = np.broadcast_shapes(*(masks[g].shape[:-1] for g in axis_groups(axis)))

    def along(factor: Factor) -> BoolArray:
        if factor.group is None:
            return np.ones((*leading, factor.size), dtype=bool)
        return masks[factor.group][..., factor.first : factor.first + factor.size]

    def product(left: BoolArray, right: BoolArray) -> BoolArray:  # the right one varies fastest
        both = left[..., :, np.newaxis] & right[..., np.newaxis, :]
        return both.reshape(*both.shape[:-2], -1)

    parts = [reduce(product, map(along, part)) if part else np.ones((*leading, 1), dtype=bool) for part in axis]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


@dataclass(frozen=True)
class Units:
    """The groups of a network and the axes of everything that it stores.

    Parameters
    ----------
    groups : mapping from name to int
        m_g, the number of units of each group. Their order numbers them: group 0 has the bits of the shallow masks.
    axes : mapping from name to tuple of Axis
        For every parameter and buffer, the description of each of its dimensions.

    Raises
    ------
    ValueError
        If a factor names a group that there is not, or has not its size.

    Examples
    --------
    >>> paper = Units({"hidden": 4}, {"weights": (group_axis("hidden", 4), whole_axis(3))})
    >>> rows, columns = paper.held({"hidden": np.array([True, False, True, True])})["weights"]
    >>> rows, columns
    (array([0, 2, 3]), None)
    """

    groups: Mapping[str, int]
    axes: Mapping[str, tuple[Axis, ...]]

    def __post_init__(self) -> None:
        for name, axes in self.axes.items():
            for factor in (f for axis in axes for part in axis for f in part):
                if factor.size < 1:
                    raise ValueError(f"Units: {name} must have factors of at least 1, got {factor.size}")
                if factor.group is not None and not self._fits(factor):
                    known = {g: m for g, m in self.groups.items() if g == factor.group}
                    raise ValueError(
                        f"Units: {name} must name groups with their sizes {known}, got {factor.group}: {factor.size}"
                    )

    def _fits(self, factor: Factor) -> bool:
        size = self.groups.get(factor.group or "", 0)
        return factor.size == size or (factor.size == 1 and 0 <= factor.first < size)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an entry's array."""
        return tuple(axis_length(axis) for axis in self.axes[name])

    def held(
        self, masks: Mapping[str, BoolArray], among: Mapping[str, BoolArray] | None = None
    ) -> dict[str, tuple[IntArray | None, ...]]:
        """Return what one subnetwork holds: for every name and dimension the indices, or None for all of them.

        Parameters
        ----------
        masks : mapping from group to ndarray of bool, shape (m_g,)
        among : mapping from group to ndarray of bool, shape (m_g,), optional
            Masks that select whatever ``masks`` does: indices then count the entries that these leave, which a module
            stores.

        Examples
        --------
        >>> units = Units({"hidden": 4}, {"bias": (group_axis("hidden", 4),)})
        >>> stored, masks = np.array([True, False, True, True]), np.array([False, False, True, False])
        >>> units.held({"hidden": masks}, among={"hidden": stored})["bias"]
        (array([1]),)
        """

        @cache  # one axis serves many parameters
        def indices(axis: Axis) -> IntArray | None:
            if not axis_groups(axis):
                return None
            held = held_on_axis(axis, masks)
            return np.flatnonzero(held if among is None else held[held_on_axis(axis, among)])

        return {name: tuple(map(indices, axes)) for name, axes in self.axes.items()}

    def holders(self, name: str, masks: Mapping[str, BoolArray]) -> BoolArray:
        """Return which subnetworks hold each entry, as `aggregate` wants it.

        Parameters
        ----------
        name : str
        masks : mapping from group to ndarray of bool, shape (p, m_g)

        Returns
        -------
        ndarray of bool, shape (p, ...)
            It broadcasts against the array: a dimension without a group has length 1.
        """
        p = next(iter(masks.values())).shape[0]
        held = np.ones((p, *[1] * len(self.axes[name])), dtype=bool)
        for dimension, axis in enumerate(self.axes[name]):
            if axis_groups(axis):
                on_axis = held_on_axis(axis, masks)
                held = held & on_axis.reshape(p, *(-1 if d == dimension else 1 for d in range(held.ndim - 1)))
        return held

    def meeting_groups(self) -> set[frozenset[str]]:
        """Return the pairs of groups that meet in an entry: where coverage is a product of two masks.

        Examples
        --------
        >>> axes = {"fc2.weight": (group_axis("fc2", 3), group_axis("fc1", 4))}
        >>> sorted(map(sorted, Units({"fc1": 4, "fc2": 3}, axes).meeting_groups()))
        [['fc1', 'fc2']]
        """
        pairs: set[frozenset[str]] = set()
        for axes in self.axes.values():
            for combination in _combinations(axes):
                pairs |= {frozenset((a, b)) for a in combination for b in combination if a != b}
        return pairs


def _combinations(axes: tuple[Axis, ...]) -> list[set[str]]:
    """Return the sets of groups on which one entry can depend: one part of each axis."""
    sets: list[set[str]] = [set()]
    for axis in axes:
        parts = {frozenset(f.group for f in part if f.group is not None) for part in axis}
        sets = [known | part for known in sets for part in parts]
    return sets
