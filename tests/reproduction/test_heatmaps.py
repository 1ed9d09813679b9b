"""The numbers of a heatmap: means over seeds and the last rounds, nothing for a cell with a diverged seed."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from subnetlab.reproduction.heatmaps import write_heatmaps
from subnetlab.reproduction.results import ErrorGrid


def test_the_numbers_drawn_are_means_over_seeds_and_last_rounds(tmp_path):
    full = np.random.default_rng(0).uniform(1, 2, (2, 1, 3, 5))  # S, R, C, K
    full[1, 0, 2] = np.inf  # diverged
    grid = ErrorGrid((4,), (0.2, 0.5, 1.0), np.full(3, 2), 3 * full, 2 * full, full)
    material = SimpleNamespace(
        view=SimpleNamespace(shown="local"), settings=SimpleNamespace(final_rounds=2), folder=tmp_path
    )
    write_heatmaps(material, grid, stem="grid", column_label=r"selection probability $\xi$", title="")
    rows = list(csv.DictReader((tmp_path / "grid.csv").read_text().splitlines()))
    drawn = [float(row["training_error_after_local_training"]) for row in rows]
    mean = full[:, 0, :, -2:].mean(axis=(0, 2))
    assert drawn[:2] == pytest.approx(2 * mean[:2])
    assert np.isnan(drawn[2])
    measures = list(csv.DictReader((tmp_path / "grid_measures.csv").read_text().splitlines()))
    assert [float(measures[0][f"after_{name}"]) for name in ("sampling", "local_training", "aggregation")] == (
        pytest.approx([3 * mean[0], 2 * mean[0], mean[0]])
    )
