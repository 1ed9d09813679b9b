"""Grids of runs: planned, parallel, resumable, inspectable."""

from ..core.renamed import renamed_members
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

__getattr__ = renamed_members(__name__, Plan=StudyPlan)
