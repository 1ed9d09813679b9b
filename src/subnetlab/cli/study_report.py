"""What the study commands say, in words."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..study.study import Study

_SHOWN = 10


def telling(folder: Path) -> Callable[[str], None]:
    """Return what shows the user a store's notices about the folder."""
    return lambda text: print(f"{folder}: {text}", file=sys.stderr)


def counts_line(counts: Mapping[str, Any]) -> str:
    """Return the counts in a line.

    Examples
    --------
    >>> counts_line({"ok": 3, "diverged": 1, "failed": 0, "pending": 2})
    '3 ok, 1 diverged, 0 failed, 2 pending'
    """
    names = ("ok", "diverged", "failed", "pending", "reused")
    return ", ".join(f"{counts[name]} {name}" for name in names if name in counts)


def failures_text(study: Study) -> str:
    """Return the failed cells with their errors, and what to do about them."""
    failed = [row for row in study.records() if row["status"] == "failed"]
    lines = [f"{len(failed)} cells failed:"]
    for row in failed[:_SHOWN]:
        reason = row["message"].strip().splitlines()[-1] if row["message"].strip() else "no reason known"
        lines.append(f"  {row['key'][:12]}  {reason}")
    if len(failed) > _SHOWN:
        lines.append(f"  and {len(failed) - _SHOWN} more")
    lines.append(f"all settings and messages: {study.path.parent / 'study.log'} and `subnetlab study export`")
    lines.append(f"try them again: subnetlab study retry {study.path.parent}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> duration(3.2), duration(400), duration(9000)
    ('3 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(n_bytes: float) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> size(2_500), size(3e8)
    ('2 kB', '300 MB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:.3g} {name}"
    return f"{n_bytes / 1e3:.0f} kB"
