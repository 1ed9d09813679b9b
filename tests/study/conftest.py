"""What the tests of studies share: small plans, and results at no cost."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.study import CellResult, Store, StudyPlan, execute


@pytest.fixture(scope="session")
def small_plan():
    """Twelve cells of a few milliseconds each."""
    return StudyPlan.from_dict(
        {
            "dataset": {"name": "synthetic", "n_samples": 6},
            "settings": {
                "width": 10,
                "rounds": 4,
                "n_subnetworks": [1, 2, 4],
                "selection_prob": 0.5,
                "local_steps": [1, 3],
                "seed": [0, 1],
            },
        }
    )


@pytest.fixture
def made_up():
    """A stand-in for training: a result that depends on the seed alone, at no cost."""

    def run(cell):
        curve = np.linspace(1, 2 + cell.seed, cell.rounds + 1)
        finals = {"final_full_error": float(curve[-1])}
        return CellResult("ok", step_size=0.1, rounds=cell.rounds, finals=finals, curves={"full_error": curve})

    return run


@pytest.fixture
def run_plan():
    """Run grids over settings, as a plan has them, on six synthetic rows; returns the study."""

    def run_it(folder, run, *grids, **settings):
        common = {"width": 10, "rounds": 2, "selection_prob": 0.5} | settings
        content = {"dataset": {"name": "synthetic", "n_samples": 6}, "settings": common, "grid": list(grids or [{}])}
        with Store(folder) as store:
            execute(StudyPlan.from_dict(content).cells, store, run=run)
        return sl.open_study(folder)

    return run_it


@pytest.fixture
def study(tmp_path, inline):
    """Two laws, curves of different lengths, one cell failed, one not run."""
    plan = StudyPlan.from_dict(
        {
            "dataset": {"name": "synthetic", "n_samples": [5, 6]},
            "settings": {"width": 10, "rounds": [2, 4], "seed": [3, 2**40]},
            "grid": [
                {"masks": "bernoulli", "selection_prob": 0.5, "step_size": ["auto", 0.25]},
                {"masks": "categorical", "n_subnetworks": 2, "local_steps": 3, "record": "subnetworks"},
            ],
        }
    )

    def run(cell):
        if cell.seed == 3 and cell.masks == "categorical" and cell.rounds == 2:
            raise ValueError("no")
        return sl.study.run_cell(cell)

    with Store(tmp_path) as store:
        tasks = [cell.identified() for cell in plan.cells]
        execute(plan.cells[:-1], store, run=run)
        store.set_plan((key, cell.settings()) for key, cell in tasks)
    return sl.open_study(tmp_path)
