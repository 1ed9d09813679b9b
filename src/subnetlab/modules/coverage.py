"""Coverage: the share of a parameter's entries that a round trains. It decides what depth costs."""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np

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
    units: Units, names: Sequence[str], law: MaskLaw | float, cut_groups: CutGroups, rounds: int
) -> dict[str, float]:
    """Return, for every parameter, the mean share of entries that some subnetwork holds.

    Raises
    ------
    CutError
        If a probability is not in (0, 1].
    """
    if isinstance(law, int | float):
        if not 0 < law <= 1:
            raise CutError(f"coverage: a selection probability must be in (0, 1], got {law}")
        return {name: prod(_share(axis, float(law)) for axis in units.axes[name]) for name in names}
    check_groups(law, cut_groups, units, rounds)
    total = dict.fromkeys(names, 0.0)
    for k in range(rounds):
        masks = group_masks(law, 0, k, units.groups, cut_in_round(cut_groups, units, k))
        for name in names:
            total[name] += _held_by_any(units.axes[name], masks) / rounds
    return total


def _share(axis: Axis, xi: float) -> float:
    """Return the mean over the entries of an axis of the probability that one subnetwork selects it."""
    sizes = [prod(f.size for f in part) for part in axis]
    return sum(n * xi ** sum(f.group is not None for f in part) for n, part in zip(sizes, axis, strict=True)) / sum(
        sizes
    )


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
