"""Figures of depth: the tables hold what was given, whatever is drawn fits, and the bytes are the same each time."""

import numpy as np
import pytest

from subnetlab.figures.depth import draw_grids, draw_insides, draw_methods, draw_verdicts
from subnetlab.figures.files import save_figure

GRID = np.array([[0.3, 0.2], [0.1, np.nan]])


def insides(seeds=2, K=3, tau=2):
    rng = np.random.default_rng(0)
    return rng.random((seeds, K)) + 1, rng.random((seeds, K, tau)) + 1, rng.random((seeds, K + 1)) + 1


DRAWN = {
    "verdicts": lambda: draw_verdicts([["HOLDS", "FAILS"], ["UNDECIDED", ""]], ["one", "two"], ["a", "b"]),
    "grids": lambda: draw_grids(
        {("a", "squared"): GRID, ("b", "squared"): GRID},
        [1, 2],
        [0.5, 1.0],
        row_label="subnetworks $p$",
        col_label=r"probability $\xi$",
    ),
    "insides": lambda: draw_insides({("a", "squared"): insides(), ("b", "squared"): None}, rounds=2),
    "methods": lambda: draw_methods(
        {"x": {1: [1.0, 3.0], 4: [2.0, np.nan]}},
        {"all": [(0.5, [1.0, 2.0], "p = 2")]},
        value_label="v",
        coverage_title="t",
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_numbers_give_the_same_bytes(name, tmp_path):
    one, two = (save_figure(drawn[0], tmp_path / str(i), name, drawn[1]) for i in (0, 1) for drawn in [DRAWN[name]()])
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_the_table_of_grids_is_the_grids():
    figure, table = DRAWN["grids"]()
    assert table["p"][:4] == [1, 1, 2, 2] and table["xi"][:4] == [0.5, 1.0, 0.5, 1.0]
    np.testing.assert_array_equal(table["error"][:4], GRID.ravel())
    assert table["network"] == ["a"] * 4 + ["b"] * 4
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert texts == ["0.300", "0.200", "0.100"] * 2  # a cell that diverged has no number
    assert [legend.get_texts()[0].get_text() for legend in figure.legends] == ["diverged"]


def test_the_table_of_insides_is_the_mean_over_seeds():
    sampled, local, full = curves = insides()
    _, table = draw_insides({("a", "squared"): curves}, rounds=2)
    subnetworks = [e for what, e in zip(table["what"], table["error"], strict=True) if what == "subnetworks"]
    expected = np.concatenate([sampled.mean(0)[:2, None], local.mean(0)[:2]], axis=1)
    np.testing.assert_allclose(subnetworks, expected.ravel())
    whole = [e for what, e in zip(table["what"], table["error"], strict=True) if what == "whole network"]
    np.testing.assert_allclose(whole, full.mean(0)[:3])


def test_verdicts_are_letters():
    figure, table = DRAWN["verdicts"]()
    assert [text.get_text() for text in figure.axes[0].texts] == ["H", "F", "U"]
    assert table["outcome"] == ["HOLDS", "FAILS", "UNDECIDED", ""]


def test_methods_have_a_mean_and_a_range():
    _, table = DRAWN["methods"]()
    assert (table["mean"][0], table["low"][0], table["high"][0]) == (2.0, 1.0, 3.0)
    assert table["panel"] == ["depth", "depth", "coverage"]
    assert (table["mean"][1], table["high"][1]) == (2.0, 2.0)  # of the run that did not diverge
