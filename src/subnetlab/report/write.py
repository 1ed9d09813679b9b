"""write_report(): a folder's results as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import atomic_file, refuse_foreign
from .library import check_installed

if TYPE_CHECKING:
    from .page import Page
    from .source import Source


def write_report(path: str | Path, out: str | Path | None = None, *, force: bool = False, model: Any = None) -> Path:
    """Write the page of a run, a launch, a study or a reproduction: one HTML file that opens offline.

    Parameters
    ----------
    path : str or Path
        A folder that ``subnetlab train``, ``launch``, ``study`` or ``reproduce`` made, or the file of a saved run,
        of a shallow network or of a module.
    out : str or Path, optional
        The file; ``report.html`` in the folder, or beside the run's file, if not given. A page is written over an
        earlier page; the same results give the same bytes.
    force : bool, default False
        Write over a file that is no such page.
    model : torch.nn.Module or Cut, optional
        For the run of a module: a network of the same architecture. The page then shows what is cut, too; without it,
        what the file holds.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    FileExistsError
        If ``out`` is something else than an earlier page.
    ValueError
        If the folder holds nothing of subnetlab's or nothing to show, or a file in it is damaged; if ``model`` is not
        the network of the run.
    ImportError
        If altair or vl-convert is not installed, or torch for the run of a module.

    Examples
    --------
    >>> import numpy as np, subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=50, n_features=2)
    >>> sl.train(net, np.eye(2), np.ones(2), sl.dropout(0.5, rounds=3)).save("run.npz")
    >>> write_report("run.npz").name
    'run.html'
    """
    check_installed("report")
    from .page import MARK, document
    from .source import open_source

    path = Path(path)
    target = Path(out) if out is not None else path.with_suffix(".html") if path.is_file() else path / "report.html"
    source = open_source(path, model)
    refuse_foreign(target, lambda head: MARK.encode() in head[:200], force=force)
    content = document(_page(source))
    with atomic_file(target) as file:
        file.write(content.encode(errors="backslashreplace"))  # names of files may hold any bytes
    return target


def _page(source: Source) -> Page:
    from ..training import TrainingRun
    from .launch_page import launch_page
    from .reproduction_page import reproduction_page
    from .run_page import run_page
    from .source import LaunchSource, RunSource, StudySource
    from .study_page import study_page

    match source:
        case RunSource(run=run):
            if isinstance(run, TrainingRun):
                return run_page(source, run)
            from .module_page import module_page

            return module_page(source, run)
        case LaunchSource():
            return launch_page(source)
        case StudySource():
            return study_page(source)
        case _:
            return reproduction_page(source)
