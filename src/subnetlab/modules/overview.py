"""What a cut shows before training: its groups as a table, and the coverage, which decides what depth costs."""

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
    from .cutting import Cut
    from .groups import Group


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


_NAMES_SHOWN = 4


def table(cut: Cut) -> str:
    """Return the groups, the streams, the reasons, and the parameters whose entries need two masks at once."""
    sizes = {name: p.numel() for name, p in cut.model.named_parameters()}
    touched = sum(n for name, n in sizes.items() if any(map(axis_groups, cut.units.axes[name])))
    total = sum(sizes.values())
    share = touched / total if total else 0.0
    lines = [
        f"{type(cut.model).__name__}: {len(cut.groups)} group{'s' * (len(cut.groups) != 1)} of units, "
        f"{touched:,} of {total:,} numbers ({share:.0%}) belong to units"
    ]
    if cut.groups:
        rows = [_row(group) for group in cut.groups.values()]
        lines += ["", *_columns([("group", "units", "entries of each", "parameters"), *rows])]
    if cut.streams:
        lines += ["", "left whole unless units= names them:"]
        lines += _columns([(g.name, str(g.size), g.kind, _names(g.parameters)) for g in cut.streams.values()])
    reasons: dict[str, list[str]] = {}
    for name, reason in cut.frozen.items():
        if name not in cut.streams:
            reasons.setdefault(reason, []).append(name)
    if reasons:
        lines += ["", "left whole:"]
        lines += _columns([(_names(tuple(names)), reason) for reason, names in reasons.items()])
    crossings = [name for name in sizes if len(set().union(*map(axis_groups, cut.units.axes[name]))) > 1]
    if crossings:
        lines += ["", f"entries that need the same subnetwork twice (coverage): {_names(tuple(crossings))}"]
    return "\n".join(lines)


def _row(group: Group) -> tuple[str, ...]:
    extent = f"{group.repeat}" + (f" in {group.copies} places" if group.copies > 1 else "")
    return group.name, str(group.size), extent, _names(group.parameters)


def _names(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
