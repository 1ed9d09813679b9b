"""Coverage: the share of a parameter's entries that a round trains. It decides what depth costs."""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.masks import Bernoulli
from ..core.masks.groups import check_groups, cut_in_round, group_masks
from ..core.units import axis_groups, axis_length, held_on_axis
from .errors import CutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.arrays import BoolArray
    from ..core.masks.groups import CutGroups
    from ..core.masks.law import MaskLaw
    from ..core.units import Axis, Units


def coverage(
    units: Units, names: Sequence[str], law: MaskLaw | float, cut_groups: CutGroups, rounds: int, seed: int = 0
) -> dict[str, float]:
    """Return, for every parameter, the mean share of entries that some subnetwork holds.

    Raises
    ------
    CutError
        If a probability is not in (0, 1], or it is neither a probability nor a law.
    """
    checks.whole_number("coverage", "rounds", rounds, least=1)
    if isinstance(cut_groups, str):
        checks.one_of("coverage", "cut_groups", cut_groups, ("all", "alternate"))
    if isinstance(law, int | float):
        if not 0 < law <= 1:
            raise CutError(f"coverage: a selection probability must be in (0, 1], got {law}")
        check_groups(Bernoulli(1, law), cut_groups, units, rounds)
    elif hasattr(law, "n_subnetworks"):
        check_groups(law, cut_groups, units, rounds)
    else:
        raise CutError(f"coverage: law must be a mask law, such as sl.Balanced(4), or a probability, got {law!r}")
    total = dict.fromkeys(names, 0.0)
    for k in range(rounds):
        cut = cut_in_round(cut_groups, units, k)
        if isinstance(law, int | float):
            shares = {name: prod(_share(axis, law, cut) for axis in units.axes[name]) for name in names}
        else:
            masks = group_masks(law, seed, k, units.groups, cut)
            shares = {name: _held_by_any(units.axes[name], masks) for name in names}
        total = {name: total[name] + shares[name] / rounds for name in names}
    return total


def shares_by_cuts(axes: tuple[Axis, ...]) -> dict[int, float]:
    """Return the shares of a parameter's entries that are cut so many times: 2 for those between two cut layers.

    Equal parts for p subnetworks train p^(1 - n) of the entries that are cut n > 0 times: each of the p subnetworks
    holds a p-th of what every cut leaves. This is exact where p divides the number of units.

    Examples
    --------
    >>> from subnetlab.core.units import group_axis, whole_axis
    >>> shares_by_cuts((group_axis("fc2", 3), group_axis("fc1", 4)))
    {2: 1.0}
    >>> shares_by_cuts((group_axis("fc2", 3), (*whole_axis(6), *group_axis("fc1", 2))))  # joined
    {1: 0.75, 2: 0.25}
    """
    counts = {0: 1}
    for axis in axes:
        longer: dict[int, int] = {}
        for part in axis:
            size, cuts = prod(f.size for f in part), sum(f.group is not None for f in part)
            for before, entries in counts.items():
                longer[before + cuts] = longer.get(before + cuts, 0) + entries * size
        counts = longer
    total = sum(counts.values())
    return {cuts: entries / total for cuts, entries in sorted(counts.items())}


def of_equal_parts(shares: Mapping[int, float], p: int) -> float:
    """Return the share of a parameter's entries that a round of equal parts trains, see `shares_by_cuts`."""
    return sum(share * p ** min(0, 1 - cuts) for cuts, share in shares.items())


def _share(axis: Axis, xi: float, cut: set[str]) -> float:
    """Return the mean over the entries of an axis of the probability that one subnetwork selects it."""
    sizes = [prod(f.size for f in part) for part in axis]
    return sum(n * xi ** sum(f.group in cut for f in part) for n, part in zip(sizes, axis, strict=True)) / sum(sizes)


def _held_by_any(axes: tuple[Axis, ...], masks: Mapping[str, BoolArray]) -> float:
    """Return the share of entries with a holder: entries that the same subnetworks hold are counted together."""
    kinds = [np.unique(held_on_axis(axis, masks), axis=1, return_counts=True) for axis in axes if axis_groups(axis)]
    if not kinds:
        return 1.0
    held, counts = reduce(_together, kinds)
    return float(counts @ held.any(axis=0)) / prod(axis_length(axis) for axis in axes if axis_groups(axis))


def _together(a: tuple, b: tuple) -> tuple:
    held = (a[0][:, :, np.newaxis] & b[0][:, np.newaxis, :]).reshape(len(a[0]), -1)
    return held, np.outer(a[1], b[1]).reshape(-1)
