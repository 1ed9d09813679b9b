"""The figure of a run beside the theory: what it draws is what it was given."""

import numpy as np
import pytest

from subnetlab.figures.files import save_figure
from subnetlab.figures.promise import draw_promise

ROUNDS = np.arange(11)
MEASURED = 3.0 * 0.8**ROUNDS
PREDICTED = 3.0 * 0.78**ROUNDS
FAR = {"Theorem 3, as printed (hypotheses not met)": np.full(11, 900.0), "Theorem 3, repaired": np.full(11, 2000.0)}


def lines(ax):
    """Return by label what an axes shows, nan left out."""
    shown = {line.get_label(): np.asarray(line.get_ydata(), dtype=float) for line in ax.get_lines()}
    return {label: y[~np.isnan(y)] for label, y in shown.items() if not label.startswith("_")}


def test_it_draws_and_tabulates_what_it_was_given():
    figure, table = draw_promise(MEASURED, predicted=PREDICTED, bounds=FAR, floor=0.05)
    for ax in figure.axes:
        shown = lines(ax)
        np.testing.assert_array_equal(shown["measured, this run"], MEASURED)
        np.testing.assert_array_equal(shown["predicted, mean over masks"], PREDICTED)
        np.testing.assert_array_equal(shown["bound: Theorem 3, repaired"], np.full(11, 2000.0))
        np.testing.assert_array_equal(shown["predicted floor"], [0.05, 0.05])
    assert list(table) == ["round", "measured", "predicted", "theorem_3_as_printed", "theorem_3_repaired"]
    assert table["measured"] == MEASURED.tolist()
    assert table["theorem_3_as_printed"] == [900.0] * 11


def test_what_the_run_has_earned_is_drawn_beside_it():
    """Near the run, on the lower part of a broken axis, and in a column of its own."""
    figure, table = draw_promise(MEASURED, bounds=FAR, certified=1.1 * MEASURED)
    _, low = figure.axes
    np.testing.assert_array_equal(lines(low)["bound: this run's certificate"], 1.1 * MEASURED)
    assert low.get_ylim()[1] < 30
    assert list(table)[1:3] == ["measured", "certificate"]
    assert table["certificate"] == (1.1 * MEASURED).tolist()


def test_the_axis_is_broken_only_for_far_bounds():
    figure, _ = draw_promise(MEASURED, bounds=FAR)
    top, low = figure.axes
    assert low.get_ylim()[1] < 30 < 900 > top.get_ylim()[0] > 30
    near, _ = draw_promise(MEASURED, bounds={"Theorem 4": 5.0 * 0.9**ROUNDS})
    assert len(near.axes) == 1
    low, high = near.axes[0].get_ylim()
    assert low < MEASURED[-1]
    assert high > 5.0


def test_what_is_unknown_or_infinite_is_not_drawn():
    measured = np.full(11, np.nan)
    measured[[0, -1]] = 3.0, 1.0
    figure, table = draw_promise(measured, bounds={"Theorem 3": np.full(11, np.inf)}, floor=np.inf)
    assert len(figure.axes) == 1
    shown = lines(figure.axes[0])
    np.testing.assert_array_equal(shown["measured, this run"], [3.0, 1.0])
    assert not shown["bound: Theorem 3"].size
    assert "predicted floor" not in shown
    marker = next(line for line in figure.axes[0].get_lines() if line.get_label() == "measured, this run").get_marker()
    assert marker == "o"  # points without neighbours are no line
    assert np.isnan(table["measured"][1])


def test_same_bytes_again(tmp_path):
    for folder in ("first", "second"):
        figure, table = draw_promise(MEASURED, predicted=PREDICTED, bounds=FAR, floor=0.05, title="a run")
        paths = save_figure(figure, tmp_path / folder, "theory", table)
    assert len(paths) == 4
    for path in paths:
        assert path.read_bytes() == (tmp_path / "first" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measured": [[1.0]]}, "draw_promise: measured must have shape (K + 1,), none of them 0, got (1, 1)"),
        ({"measured": [0.0, np.nan]}, "draw_promise: measured must have a positive finite value"),
        ({"measured": [1.0, -2.0]}, "draw_promise: measured must not be negative, got -2.0"),
        ({"predicted": [1.0]}, "draw_promise: predicted must have shape (2,) like measured, got (1,)"),
        ({"bounds": {"T": [1.0]}}, "draw_promise: T must have shape (2,) like measured, got (1,)"),
        ({"bounds": {str(i): [1.0, 1.0] for i in range(5)}}, "draw_promise: bounds must be at most 4, got 5"),
    ],
)
def test_bad_input_is_named(arguments, message, refused):
    with refused(ValueError, message):
        draw_promise(**{"measured": [2.0, 1.0], **arguments})
