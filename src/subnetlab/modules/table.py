"""A cut as a table to read: what is cut, what is left whole, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.units import axis_groups

if TYPE_CHECKING:
    from .cutting import Cut
    from .groups import Group

_NAMES_SHOWN = 4


def table(cut: Cut) -> str:
    """Return the groups, the streams, the reasons, and the parameters whose entries need two masks at once."""
    sizes = {name: p.numel() for name, p in cut.model.named_parameters()}
    touched = sum(n for name, n in sizes.items() if any(map(axis_groups, cut.units.axes[name])))
    total = sum(sizes.values())
    share = touched / total if total else 0.0
    lines = [
        f"{type(cut.model).__name__}: {len(cut.groups)} groups of units, "
        f"{touched:,} of {total:,} numbers ({share:.0%}) belong to units",
        "",
    ]
    lines += _columns([("group", "units", "entries of each", "parameters"), *(_row(g) for g in cut.groups.values())])
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
