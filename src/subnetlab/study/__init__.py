"""Grids of runs: planned, parallel, resumable, inspectable."""

import warnings
from typing import Any

from ..locks import FolderBusyError as StudyBusyError
from .cell import Cell
from .data import DatasetSpec
from .execution import Counts, StudyInterrupted, execute
from .plan import StudyConflictError, StudyPlan, claim_folder
from .plan_tables import PlanError
from .result import CellResult
from .running import run_cell
from .schema import StudyFileError
from .store import Store
from .study import Study, open_study
from .table import SparseGridError

__all__ = [
    "Cell",
    "CellResult",
    "Counts",
    "DatasetSpec",
    "PlanError",
    "SparseGridError",
    "Store",
    "Study",
    "StudyBusyError",
    "StudyConflictError",
    "StudyFileError",
    "StudyInterrupted",
    "StudyPlan",
    "claim_folder",
    "execute",
    "open_study",
    "run_cell",
]


def __getattr__(name: str) -> Any:
    """Return what has another name now, with a warning."""
    if name == "Plan":
        warnings.warn("subnetlab.study.Plan is now StudyPlan", DeprecationWarning, stacklevel=2)
        return StudyPlan
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
