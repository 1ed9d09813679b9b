"""`subnetlab report`: a run, a study or a reproduction as one HTML page that opens offline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.named import import_module_of, loaded_object
from ..report import write_report


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
    model = None if options.model is None else _network(options.model)
    page = write_report(options.folder, options.out, force=options.force, model=model)
    if page.resolve().is_file():
        print(page)
    return 0


def _network(name: str) -> Any:
    """Return the network, or the cut, that ``module:Name`` makes or is.

    Raises
    ------
    ValueError
        If there is no such thing, or making it fails.
    """
    import_module_of(name, owner="report", argument="model")
    made = loaded_object(name)
    is_network = not isinstance(made, type) and hasattr(made, "named_parameters")
    if callable(made) and not is_network:
        try:
            made = made()
        except Exception as error:
            raise ValueError(f"report: model {name!r} cannot be made ({type(error).__name__}: {error})") from error
    if made is None:
        raise ValueError(f"report: model must be module:Name of a function that makes the network, got {name!r}")
    return made
