"""The cells of a study on a grid, and the numbers of it that a page holds."""

import numpy as np

from subnetlab.report.grid import Entry, build_grid, curve_numbers, curve_rounds, final_numbers
from subnetlab.study.result import CellResult


def entry(result=None, status="ok", **settings):
    return Entry("0" * 64, {"seed": 0, "network_seed": 0, **settings}, status, result)


def curve(values):
    values = np.asarray(values, float)
    curves = {"full_error": values, "sampled_error": values[1:], "local_error": values[1:, np.newaxis]}
    return CellResult("ok", rounds=len(values) - 1, finals={"final_full_error": float(values[-1])}, curves=curves)


def test_a_grid_with_holes_by_hand():
    cells = [
        entry(curve([4, 2, 1]), n_subnetworks=1, selection_prob=0.5),
        entry(None, "pending", n_subnetworks=2, selection_prob=1.0),
    ]
    cells.append(entry(curve([8, 6, 3]), n_subnetworks=1, selection_prob=0.5, seed=1, network_seed=1))
    grid = build_grid(cells)
    assert [(axis.name, axis.labels) for axis in grid.axes] == [
        ("n_subnetworks", ["1", "2"]),
        ("selection_prob", ["0.5", "1"]),
    ]
    assert grid.repetitions == ("0", "1")
    assert final_numbers(grid, None)["full"] == [1, 3, None, None, None, None, None, None]
    assert final_numbers(grid, 2)["full"][:2] == [1.5, 4.5]
    curves = curve_numbers(grid, curve_rounds(grid))["full"]
    assert (curves["mean"][0], curves["low"][0], curves["high"][0]) == ([4, 2], [2, 1], [6, 3])
    assert curves["mean"][1:] == [None] * 3


def test_the_first_cell_to_look_at_is_a_good_one():
    cells = [entry(None, "diverged" if p > 1 else "ok", n_subnetworks=p) for p in (1, 2, 4, 8)]
    assert build_grid(cells).middle() == (0,)


def test_what_a_dataset_decides_is_no_axis():
    cells = [entry(dataset="a", n_samples=10, width=w) for w in (1, 2)] + [entry(dataset="b", n_samples=20, width=1)]
    assert [axis.name for axis in build_grid(cells).axes] == ["dataset", "width"]


def test_cells_that_fill_too_little_of_their_grid_are_no_heatmap():
    cells = [entry(n_subnetworks=i, local_steps=i, width=i) for i in range(1, 20)]
    assert build_grid(cells) is None


def test_an_engine_that_auto_chose_is_no_axis():
    cells = [entry(n_subnetworks=1, engine="event"), entry(n_subnetworks=2, engine="dual")]
    assert [axis.name for axis in build_grid(cells).axes] == ["n_subnetworks"]
    cells += [entry(n_subnetworks=1, engine="dual")]
    assert [axis.name for axis in build_grid(cells).axes] == ["n_subnetworks", "engine"]
