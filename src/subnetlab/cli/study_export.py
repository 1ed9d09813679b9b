"""`subnetlab study export`: a study's results as a file for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..study.study import open_study


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab study export`."""

    folder: tyro.conf.Positional[Path]
    """The folder of the study."""
    to: Path | None = None
    """The file, ending in .nc (netCDF), .csv or .parquet; table.nc in the folder if not given."""
    curves: bool = True
    """Include the errors of all rounds (netCDF, Parquet)."""
    force: bool = False
    """Write over a file that is no earlier export."""


def run(options: Options) -> int:
    """Write the file and print its name."""
    target = options.folder / "table.nc" if options.to is None else options.to
    open_study(options.folder).export(target, curves=options.curves, force=options.force)
    print(target)
    return 0
