"""How study-schema-1.sqlite was made, by version 0.1.0. Never run it again: the file must stay as it was written.

Four seeds by two step sizes; one cell failed, one diverged, and two were never run.
"""

import sys

from subnetlab.study import CellResult, Store, StudyPlan, run_cell
from subnetlab.study.result import encode
from subnetlab.study.store import Outcome

plan = StudyPlan.from_dict(
    {
        "dataset": {"name": "diabetes", "n_samples": 8},
        "settings": {
            "width": 60,
            "rounds": 9,
            "local_steps": 2,
            "n_subnetworks": 2,
            "selection_prob": 0.5,
            "engine": "reference",
            "seed": [0, 1, 2, 3],
            "step_size": [0.5, 1000.0],
        },
    }
)
with Store(sys.argv[1]) as store:
    tasks = [cell.identified() for cell in plan.cells]
    store.set_plan((key, cell.settings()) for key, cell in tasks)
    for key, cell in tasks:
        if cell.step_size == 0.5 or cell.seed == 0:
            result = run_cell(cell)
        elif cell.seed == 1:
            result = CellResult("failed", "ValueError: for the fixture")
        else:
            continue
        store.write([Outcome(key, result.status, 0.25, encode(result))])
    store.add_attempt(tasks[0][0], "for the fixture")
