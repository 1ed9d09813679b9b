"""`subnetlab report`: a run, a study or a reproduction as one HTML page that opens offline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..report import write_report
from .named_network import named_network


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab report`."""

    folder: tyro.conf.Positional[Path]
    """A folder that train, launch, study or reproduce made, or the file of a saved run."""
    out: Path | None = None
    """The file; report.html in the folder if not given."""
    model: Annotated[str | None, tyro.conf.arg(metavar="MODULE:NAME")] = None
    """For the run of a module: module:Name of a function without arguments that makes the network, or of the network;
    the page then shows what is cut. This code of yours runs, and nothing that the file says."""
    force: bool = False
    """Write over a file that is no earlier page."""


def run(options: Options) -> int:
    """Write the page and print its name; what went through a pipe has none, and no line beside it."""
    model = None if options.model is None else named_network(options.model, owner="report")
    page = write_report(options.folder, options.out, force=options.force, model=model)
    if page.resolve().is_file():
        print(page)
    return 0
