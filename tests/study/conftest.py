"""What the tests of studies share: small plans, and a pool that runs cells in this process."""

from concurrent.futures import Future

import numpy as np
import pytest

import subnetlab.study.execution as execution
from subnetlab.study import CellResult, StudyPlan


class WorkerDiedError(Exception):
    """Stands for the death of a worker process."""


class InlinePool:
    """Runs everything at once in this process; fast, and can be told when its worker dies."""

    crashes = (WorkerDiedError,)
    tries = 3

    def __init__(self, size=2):
        self.size = size
        self.stopped = None

    def capacity(self):
        return self.size

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future

    def done(self, future):
        pass

    def stop(self, *, at_once):
        self.stopped = at_once


@pytest.fixture
def inline(monkeypatch):
    """Let `execute` run cells in this process; returns the pool."""
    pool = InlinePool()
    monkeypatch.setattr(execution, "_pool", lambda *_: pool)
    return pool


@pytest.fixture
def died():
    return WorkerDiedError


@pytest.fixture
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
