"""`subnetlab study status`, `export` and `retry`: what a study's folder holds, in words, as a file, and once more."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from ..locks import holder
from ..progress import duration
from ..study.cell import Cell
from ..study.execution import execute
from ..study.result import last_line
from ..study.store import LOCK, Store
from ..study.study import open_study
from .json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..study.execution import Counts
    from ..study.study import Study

FAILED_CELLS = 3  # the exit code
_SHOWN = 10  # failed cells


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


def told(folder: Path, what: Mapping[str, Any], counts: Counts, *, as_json: bool) -> int:
    """Print how the cells of a study ended; return the exit code."""
    summary = {**what, **vars(counts)}
    print(json_text(summary, sort_keys=True) if as_json else f"{folder}: {counts_line(summary)}")
    if not counts.failed:
        return 0
    print(failures_text(open_study(folder)), file=sys.stderr)
    return FAILED_CELLS


def failures_text(study: Study) -> str:
    """Return the failed cells with their errors, and what to do about them."""
    failed = [row for row in study.records() if row["status"] == "failed"]
    lines = [f"{len(failed)} cells failed:"]
    lines += [f"  {row['key'][:12]}  {last_line(row['message'])}" for row in failed[:_SHOWN]]
    if len(failed) > _SHOWN:
        lines.append(f"  and {len(failed) - _SHOWN} more")
    lines.append(f"all settings and messages: {study.path.parent / 'study.log'} and `subnetlab study export`")
    lines.append(f"try them again: subnetlab study retry {study.path.parent}")
    return "\n".join(lines)


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


@dataclass(frozen=True)
class StatusOptions:
    """Options of `subnetlab study status`."""

    folder: tyro.conf.Positional[Path]
    """The folder of the study."""
    json: bool = False
    """Print JSON."""


def status(options: StatusOptions) -> int:
    """Print."""
    study = open_study(options.folder)
    counts = study.counts()
    working = holder(study.path.parent / LOCK)
    seconds = [cell.seconds for cell in study.cells if cell.seconds is not None]
    if options.json:
        print(json_text({**counts, "running": working is not None, "cell_seconds": sum(seconds)}, sort_keys=True))
        return 0
    print(f"{options.folder}: {counts_line(counts)}")
    print(f"running: {working}" if working else "running: no")
    if seconds:
        mean = sum(seconds) / len(seconds)
        print(f"time per cell: {mean:.3g} s; still to do: {duration(mean * counts['pending'])} of one job's work")
    if counts["failed"]:
        print(failures_text(study))
    return 0


@dataclass(frozen=True)
class ExportOptions:
    """Options of `subnetlab study export`."""

    folder: tyro.conf.Positional[Path]
    """The folder of the study."""
    to: Path | None = None
    """The file, ending in .nc (netCDF), .csv or .parquet; table.nc in the folder if not given."""
    curves: bool = True
    """Keep the errors of all rounds in netCDF and Parquet files; --no-curves leaves them out."""
    force: bool = False
    """Write over a file that is no earlier export."""


def export(options: ExportOptions) -> int:
    """Write the file and print its name."""
    target = options.folder / "table.nc" if options.to is None else options.to
    open_study(options.folder).export(target, curves=options.curves, force=options.force)
    print(target)
    return 0


@dataclass(frozen=True)
class RetryOptions:
    """Options of `subnetlab study retry`."""

    folder: tyro.conf.Positional[Path]
    """The folder of the study."""
    jobs: int | None = None
    """Runs at a time; one per processor if not given."""
    cluster: str | None = None
    """Address of a dask scheduler whose workers run the cells."""
    json: bool = False
    """Print the result as JSON."""
    quiet: bool = False
    """Print no progress."""


def retry(options: RetryOptions) -> int:
    """Forget the failures, run, print."""
    open_study(options.folder)  # refuses a folder without a study, which the store would make
    with Store(options.folder, tell=telling(options.folder)) as store:
        forgotten = store.forget_failures()
        cells = [Cell.from_settings(settings) for settings in store.planned()]
        counts = execute(cells, store, options.jobs, progress=not options.quiet, cluster=options.cluster)
    return told(options.folder, {"retried": forgotten}, counts, as_json=options.json)
