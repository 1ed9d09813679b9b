"""`subnetlab study status`: how far a study is, while it runs or after."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from ..locks import holder
from ..study.store import LOCK
from ..study.study import open_study
from .study_report import counts_line, duration, failures_text


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab study status`."""

    folder: tyro.conf.Positional[Path]
    """The folder of the study."""
    json: bool = False
    """Print JSON."""


def run(options: Options) -> int:
    """Print."""
    study = open_study(options.folder)
    counts = study.counts()
    working = holder(study.path.parent / LOCK)
    seconds = [cell.seconds for cell in study.cells if cell.seconds is not None]
    if options.json:
        print(json.dumps({**counts, "running": working is not None, "cell_seconds": sum(seconds)}, sort_keys=True))
        return 0
    print(f"{options.folder}: {counts_line(counts)}")
    print(f"running: {working}" if working else "running: no")
    if seconds:
        mean = sum(seconds) / len(seconds)
        print(f"time per cell: {mean:.3g} s; still to do: {duration(mean * counts['pending'])} of one job's work")
    if counts["failed"]:
        print(failures_text(study))
    return 0
