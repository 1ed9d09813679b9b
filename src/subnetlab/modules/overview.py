"""What `print(cut)` shows: the groups, what is shared, what is left whole and why, and the coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.units import axis_groups
from .coverage import of_equal_parts, shares_by_cuts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .cutting import Cut
    from .groups import Group

_NAMES_SHOWN = 4
_PARTS = 4  # for which the coverage is shown in numbers


def table(cut: Cut) -> str:
    """Return the groups, what is shared, what is left whole with the reasons, and the coverage of the parameters."""
    sections = [_heading(cut), _groups(cut), _shared(cut), *_left_whole(cut), _coverage(cut)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _heading(cut: Cut) -> list[str]:
    sizes = {name: p.numel() for name, p in cut.model.named_parameters()}
    touched = sum(n for name, n in sizes.items() if any(map(axis_groups, cut.units.axes[name])))
    total = sum(sizes.values())
    share = touched / total if total else 0.0
    return [
        f"{type(cut.model).__name__}: {len(cut.groups)} group{'s' * (len(cut.groups) != 1)} of units, "
        f"{touched:,} of {total:,} numbers ({share:.0%}) belong to units"
    ]


def _groups(cut: Cut) -> list[str]:
    rows = [_row(group) for group in cut.groups.values()]
    return _columns([("group", "units", "entries of each", "parameters"), *rows]) if rows else []


def _shared(cut: Cut) -> list[str]:
    """Return the tensors that the network has under several names: they are cut once."""
    same = [f"{name} is {first}" for name, first in cut.graph.aliases.items()]
    return [f"shared: {_names(same)}"] if same else []


def _left_whole(cut: Cut) -> list[list[str]]:
    streams = [(g.name, _count(g), _KINDS[g.kind], _names(g.parameters)) for g in cut.streams.values()]
    reasons: dict[str, list[str]] = {}
    for name, reason in cut.frozen.items():
        if name not in cut.streams:
            reasons.setdefault(reason, []).append(name)
    rows = [(_names(names), reason) for reason, names in reasons.items()]
    titled = (("left whole unless units= names them:", streams), ("left whole:", rows))
    return [[title, *_columns(found)] for title, found in titled if found]


_KINDS = {"stream": "residual stream", "embedding": "embedding"}


def _coverage(cut: Cut) -> list[str]:
    """Return the coverage by equal parts, parameters with the same one together, the least first."""
    parameters = [name for name, p in cut.model.named_parameters() if p.numel()]
    shares = {name: shares_by_cuts(cut.units.axes[name]) for name in parameters}
    if not cut.groups:
        return []
    if all(max(by_cuts) < 2 for by_cuts in shares.values()):
        return ["coverage: a round of equal parts trains every entry, since no entry is cut twice"]
    alike: dict[tuple[int, int], list[str]] = {}
    for name, by_cuts in shares.items():
        alike.setdefault((max(1, *by_cuts), max(1, min(by_cuts))), []).append(name)
    rows = [
        (_powers(*cuts), _numbers(of_equal_parts(shares[name], _PARTS) for name in names), _names(names))
        for cuts, names in sorted(alike.items(), reverse=True)
    ]
    title = "coverage: the share of its entries that a round of equal parts trains (by other laws: cut.coverage)"
    return [title, *_columns([("p parts", f"{_PARTS} parts", "parameters"), *rows])]


def _powers(most: int, least: int) -> str:
    """Return what p parts train of entries that are cut so many times."""
    lowest, highest = ({1: "1", 2: "1/p"}.get(cuts, f"1/p^{cuts - 1}") for cuts in (most, least))
    return lowest if lowest == highest else f"{lowest} to {highest}"


def _numbers(shares: Iterable[float]) -> str:
    texts = [f"{share:.2g}" for share in sorted(shares)]
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def _row(group: Group) -> tuple[str, ...]:
    extent = f"{group.repeat}" + (f" in {group.copies} places" if group.copies > 1 else "")
    return group.name, _count(group), extent, _names(group.parameters)


def _count(group: Group) -> str:
    return f"{group.size} {group.unit_name}"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
