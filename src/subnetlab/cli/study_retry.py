"""`subnetlab study retry`: run the failed cells of a study again, and what is still missing."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from ..study.cell import Cell
from ..study.execution import execute
from ..study.store import Store
from ..study.study import open_study
from .study_report import counts_line, failures_text, telling


@dataclass(frozen=True)
class Options:
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
    """No progress bar."""


def run(options: Options) -> int:
    """Forget the failures, run, print."""
    open_study(options.folder)  # refuses a folder without a study, which the store would make
    with Store(options.folder, tell=telling(options.folder)) as store:
        forgotten = store.forget_failures()
        cells = [Cell.from_settings(settings) for settings in store.planned()]
        counts = execute(cells, store, options.jobs, progress=not options.quiet, cluster=options.cluster)
    summary = {"retried": forgotten, **vars(counts)}
    print(json.dumps(summary, sort_keys=True) if options.json else f"{options.folder}: {counts_line(summary)}")
    if counts.failed:
        print(failures_text(open_study(options.folder)), file=sys.stderr)
    return 3 if counts.failed else 0
