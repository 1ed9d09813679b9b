"""`make stress`: the heavy tests of studies, and their figures into docs/reliability.md.

python stress/studies.py [--kills 200] [--seed 0] [--cells 10000]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import studies_faults as faults
import studies_kills as kills
import studies_overhead as overhead
from pages import put_between_marks

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run everything, write the page, return 1 if anything was not as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cells", type=int, default=10_000)
    options = parser.parse_args()
    started = time.monotonic()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory(prefix="subnetlab-stress-") as name:
        folder = Path(name)
        rows += _overhead_rows(overhead.measure(folder, cells=options.cells))
        rows += [_fault_row(folder, what, fault) for what, fault in faults.FAULTS.items()]
        rows += _kill_rows(kills.survive(options.kills, folder, options.seed, progress=_say))
    minutes = (time.monotonic() - started) / 60
    _write(rows, minutes)
    for row in rows:
        print(" | ".join(row))
    return 0 if all(row[2] in ("yes", "not run") for row in rows) else 1


def _overhead_rows(report: overhead.OverheadReport) -> list[tuple[str, str, str]]:
    return [
        (
            f"overhead of {report.cells:,} cells: under 5 ms each",
            f"{1000 * report.per_cell:.2f} ms, start of the worker included",
            _verdict(report.per_cell < 5e-3),
        ),
        (
            "opened and turned into a table: under 2 s",
            f"{report.open_as_table:.2f} s (median of 3)",
            _verdict(report.open_as_table < 2),
        ),
        ("size of a tiny cell (10 rounds)", f"{report.bytes_per_cell:.0f} bytes in the file", "yes"),
        (
            "two jobs: at least 1.8 times one",
            f"{report.speedup:.2f} times ({report.one_job:.1f} s and {report.two_jobs:.1f} s, medians of 3, "
            f"{overhead.CELLS_OF_FIGURE_2B} cells of Figure 2b, start of the workers included)",
            _verdict(report.speedup >= 1.8),
        ),
    ]


def _fault_row(folder: Path, what: str, fault: Callable[[Path], str]) -> tuple[str, str, str]:
    try:
        return (what, fault(folder), "yes")
    except PermissionError as error:
        return (what, str(error), "not run")
    except AssertionError as error:
        return (what, str(error).strip()[-300:].replace("\n", " "), "NO")


def _kill_rows(report: kills.KillReport) -> list[tuple[str, str, str]]:
    counted = {
        "acknowledged cells lost": report.lost,
        "torn cells": report.torn,
        "failed integrity checks": report.failed_integrity_checks,
        "processes alive 1 s after their parent was killed": report.orphans,
        "final tables that differ from an undisturbed study's": report.studies_with_another_table,
        "runs that ended in another way": len(report.problems),
    }
    for problem in report.problems:
        print(problem, file=sys.stderr)
    what = (
        f"{report.kills_of_parents} of the parent, {report.kills_of_workers} of a worker, in {report.studies} studies"
    )
    return [
        (
            "kill -9 at random moments",
            f"{report.kills}: {what} of {report.cells // max(1, report.studies)} cells; "
            f"{report.acknowledged} cells acknowledged before a kill",
            "yes",
        ),
        *((name, str(count), _verdict(count == 0)) for name, count in counted.items()),
        (
            "cells given up after three kills in a row of their worker, right after `study retry`",
            str(report.cells_given_up),
            "yes",
        ),
    ]


def _verdict(good: bool) -> str:
    return "yes" if good else "NO"


def _say(report: kills.KillReport) -> None:
    print(report, file=sys.stderr, flush=True)


def _write(rows: list[tuple[str, str, str]], minutes: float) -> None:
    lines = [
        f"Python {platform.python_version()}, {platform.system()} on {platform.machine()}, {os.cpu_count()} cores; "
        f"{minutes:.0f} minutes.",
        "",
        "| what | measured | as promised |",
        "|---|---|---|",
        *(f"| {what} | {found} | {good} |" for what, found, good in rows),
    ]
    put_between_marks("reliability.md", "measured", lines)


if __name__ == "__main__":
    sys.exit(main())
