"""What a study costs besides its training: 10,000 tiny cells, opening them as a table, two jobs against one."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from subnetlab.reproduction.plans import read_plan
from subnetlab.study import CellResult, Store, StudyPlan, execute, open_study, run_cell

if TYPE_CHECKING:
    from pathlib import Path

    from subnetlab.study import Cell

CELLS_OF_FIGURE_2B = 24


@dataclass(frozen=True)
class OverheadReport:
    """Times in seconds; rounds of each pair alternate in one process, and medians are taken."""

    cells: int
    per_cell: float
    open_as_table: float
    bytes_per_cell: float
    one_job: float
    two_jobs: float

    @property
    def speedup(self) -> float:
        """How many times faster two jobs are."""
        return self.one_job / self.two_jobs


def measure(folder: Path, *, cells: int = 10_000, repeats: int = 3) -> OverheadReport:
    """Measure."""
    plan = StudyPlan.from_dict(
        {
            "dataset": {"name": "diabetes", "n_samples": 10},
            "settings": {
                "width": 10,
                "rounds": 10,
                "n_subnetworks": [1, 2, 4, 8],
                "selection_prob": [0.2, 0.4, 0.6, 0.8, 1.0],
                "local_steps": [1, 2],
                "seed": list(range(cells // 40)),
            },
        }
    )
    out = folder / "tiny"
    started = time.perf_counter()
    with Store(out) as store:
        execute(plan.cells, store, jobs=1, run=nothing)
    per_cell = (time.perf_counter() - started) / cells
    tables: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        table = open_study(out).table()
        tables.append(time.perf_counter() - started)
    assert table.full_error.size == cells * 11
    times = alternate(folder, repeats=repeats)
    return OverheadReport(
        cells=cells,
        per_cell=per_cell,
        open_as_table=statistics.median(tables),
        bytes_per_cell=(out / "study.sqlite").stat().st_size / cells,
        one_job=statistics.median(times[1]),
        two_jobs=statistics.median(times[2]),
    )


def alternate(folder: Path, *, repeats: int) -> dict[int, list[float]]:
    """Return the times of one study with one job and with two, in turn.

    Its cells are those of Figure 2b at p = 4, xi = 0.4, at the paper's size: m = 4000, n = 100, K = 200, tau = 5.
    """
    settings = {"n_subnetworks": 4, "selection_prob": 0.4, "seed": list(range(CELLS_OF_FIGURE_2B))}
    work = StudyPlan.from_dict(read_plan("2b"), settings=settings, dataset={"name": "diabetes"})
    times: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(repeats):
        for jobs, seconds in times.items():
            started = time.perf_counter()
            with Store(folder / f"jobs-{jobs}-{repeat}") as store:
                execute(work.cells, store, jobs=jobs)
            seconds.append(time.perf_counter() - started)
    return times


def nothing(cell: Cell) -> CellResult:
    """Return the same curves for every cell, so that all the time that passes is the study's own."""
    if not _RESULT:
        _RESULT.append(run_cell(cell))
    return _RESULT[0]


_RESULT: list[CellResult] = []
