"""`subnetlab report`: a run, a study or a reproduction as one HTML page that opens offline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..report import write_report


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab report`."""

    folder: tyro.conf.Positional[Path]
    """A folder that train, launch, study or reproduce made, or the file of a saved run."""
    out: Path | None = None
    """The file; report.html in the folder if not given."""
    force: bool = False
    """Write over a file that is no earlier page."""


def run(options: Options) -> int:
    """Write the page and print its name; what went through a pipe has none, and no line beside it."""
    page = write_report(options.folder, options.out, force=options.force)
    if page.resolve().is_file():
        print(page)
    return 0
