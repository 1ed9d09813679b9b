"""Estimates: in proportion, and corrected by what was measured."""

from dataclasses import replace

import pytest

from subnetlab.study import Cell, DatasetSpec, Store, execute
from subnetlab.study.estimate import estimate, training_seconds

CELL = Cell(DatasetSpec("synthetic", n_samples=20), 2000, 100, selection_prob=0.5, engine="primal")


def test_estimates_grow_with_the_work():
    one, two = estimate([CELL], jobs=1), estimate([CELL, replace(CELL, rounds=1000)], jobs=1)
    assert two.seconds > one.seconds
    assert estimate([CELL] * 100, jobs=4).seconds < estimate([CELL] * 100, jobs=1).seconds
    assert estimate([replace(CELL, width=10**6)], jobs=1).bytes_per_job > 5 * one.bytes_per_job
    assert estimate([], jobs=1).seconds == 0


def test_no_number_of_jobs_makes_the_longest_cell_shorter():
    longest = replace(CELL, rounds=10_000)
    assert estimate([CELL, longest], jobs=100).seconds > training_seconds(longest)


def test_finished_cells_correct_the_model():
    model = training_seconds(CELL)
    slow = estimate([CELL] * 1000, jobs=1, measured={CELL: 3 * model}).seconds
    assert slow == pytest.approx(3 * estimate([CELL] * 1000, jobs=1).seconds, rel=0.1)


def test_the_estimate_of_the_disk(tmp_path, inline):
    cells = [replace(CELL, seed=i, width=100, local_steps=5) for i in range(40)]
    with Store(tmp_path) as store:
        execute(cells, store)
        size = store.path.stat().st_size
    assert estimate(cells, jobs=1).bytes_on_disk == pytest.approx(size, rel=0.4)
