"""Grids of runs: planned, parallel, resumable, inspectable."""

from ..locks import FolderBusyError as StudyBusyError
from .cell import Cell
from .data import DatasetSpec
from .execution import Counts, StudyInterrupted, execute
from .plan import Plan, StudyConflictError, claim_folder
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
    "Plan",
    "PlanError",
    "SparseGridError",
    "Store",
    "Study",
    "StudyBusyError",
    "StudyConflictError",
    "StudyFileError",
    "StudyInterrupted",
    "claim_folder",
    "execute",
    "open_study",
    "run_cell",
]
