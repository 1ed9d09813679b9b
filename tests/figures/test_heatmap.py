"""Figures 2b and 2c: what is drawn and what is refused."""

import numpy as np
import pytest

from subnetlab.figures.cells import short_number
from subnetlab.figures.heatmap import draw_heatmap, draw_heatmaps

LABELS = {
    "row_label": "number of subnetworks $p$",
    "col_label": r"selection probability $\xi$",
    "value_label": "training error",
}
VALUES = np.array([[8.0, 4.0, 2.0], [4.0, np.nan, 0.5]])
ROWS, COLUMNS = [2, 10], [0.1, 0.5, 1.0]


def mesh(ax):
    return ax.collections[0]


def cell_texts(ax):
    return {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in ax.texts}


def hatched(ax):
    return [(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in ax.patches if p.get_hatch()]


def brightness(colour):
    return np.dot(np.asarray(colour)[..., :3], (0.2126, 0.7152, 0.0722))


def test_cells_axes_and_table_are_the_numbers():
    figure, table = draw_heatmap(VALUES, ROWS, COLUMNS, title="after aggregation", **LABELS)
    ax = figure.axes[0]
    drawn = np.ma.filled(mesh(ax).get_array(), np.nan).reshape(VALUES.shape)
    np.testing.assert_array_equal(drawn, VALUES)
    assert cell_texts(ax) == {(0, 0): "8.00", (0, 1): "4.00", (0, 2): "2.00", (1, 0): "4.00", (1, 2): "0.500"}
    assert (ax.get_ylabel(), ax.get_xlabel(), ax.get_title()) == (
        "number of subnetworks $p$", r"selection probability $\xi$", "after aggregation",
    )  # fmt: skip
    assert [t.get_text() for t in ax.get_yticklabels()] == ["2", "10"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.1", "0.5", "1"]
    low, high = ax.get_ylim()
    assert low < high  # rows upwards
    assert table["number_of_subnetworks"] == [2, 2, 2, 10, 10, 10]
    assert table["selection_probability"] == COLUMNS * 2
    np.testing.assert_array_equal(table["training_error"], VALUES.ravel())


def test_lighter_is_smaller_and_log_colours_follow_the_ratio():
    values = np.array([[1.0, 10.0, 100.0]])
    for log in (True, False):
        figure, _ = draw_heatmap(values, [1], [1, 2, 3], log_colour=log, **LABELS)
        cells = mesh(figure.axes[0])
        assert np.all(np.diff(brightness(cells.to_rgba(np.linspace(1.0, 100.0, 200)))) <= 0)
        assert cells.norm(10.0) == pytest.approx(0.5 if log else 9 / 99)


def test_diverged_cells_are_hatched_and_named():
    figure, _ = draw_heatmap(VALUES, ROWS, COLUMNS, **LABELS)
    assert hatched(figure.axes[0]) == [(1, 1)]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["diverged"]
    whole, _ = draw_heatmap(np.ones((2, 3)), ROWS, COLUMNS, **LABELS)
    assert hatched(whole.axes[0]) == []
    assert whole.legends == []


def test_all_diverged_has_no_colour_bar():
    figure, table = draw_heatmap(np.full((2, 3), np.nan), ROWS, COLUMNS, **LABELS)
    assert len(figure.axes) == 1
    assert len(hatched(figure.axes[0])) == 6
    assert np.all(np.isnan(table["training_error"]))


def test_three_measures_side_by_side():
    panels = {"after sampling": VALUES, "after local training": VALUES / 3, "after aggregation": VALUES / 10}
    figure, table = draw_heatmaps(panels, ROWS, COLUMNS, title="Bernoulli masks", **LABELS)
    assert [ax.get_title() for ax in figure.axes[:3]] == list(panels)
    assert len(figure.axes) == 6  # each with its own bar
    assert list(table)[2:] == ["after_sampling", "after_local_training", "after_aggregation"]
    np.testing.assert_array_equal(table["after_local_training"], panels["after local training"].ravel())
    assert len({mesh(ax).get_clim() for ax in figure.axes[:3]}) == 3
    shared, _ = draw_heatmaps(panels, ROWS, COLUMNS, share_colour=True, **LABELS)
    assert len(shared.axes) == 4
    assert {mesh(ax).get_clim() for ax in shared.axes[:3]} == {(0.05, 8.0)}


def test_numbers_stay_inside_their_cells():
    values = np.exp(np.random.default_rng(0).normal(size=(10, 10)))
    figure, _ = draw_heatmap(values, range(10), range(10), **LABELS)
    panels, _ = draw_heatmaps({"a": values, "b": values, "c": values}, range(10), range(10), **LABELS)
    for ax in (figure.axes[0], *panels.axes[:3]):
        assert len(ax.texts) == 100
        for text in ax.texts:
            box = ax.transData.inverted().transform(text.get_window_extent())
            j, i = text.get_position()
            assert np.all(np.abs(box - (j, i)) < 0.5)


def test_numbers_that_do_not_fit_are_left_out():
    values = np.full((3, 40), 1e-20)
    assert draw_heatmap(values, range(3), range(40), **LABELS)[0].axes[0].texts[:] == []
    assert draw_heatmap(VALUES, ROWS, COLUMNS, numbers=False, **LABELS)[0].axes[0].texts[:] == []


@pytest.mark.parametrize(
    ("value", "three", "two"),
    [
        (0.5, "0.500", "0.50"),
        (9.996, "10.0", "10"),
        (123.4, "123", "1.2e2"),
        (1e4, "1.00e4", "1.0e4"),
        (-0.0625, "-0.0625", "-0.062"),
        (0.0, "0.00", "0.0"),
    ],
)
def test_short_numbers(value, three, two):
    assert (short_number(value, 3), short_number(value, 2)) == (three, two)


def test_equal_values_and_words_for_settings():
    figure, table = draw_heatmap([[0.0, 0.0]], ["primal"], ["a", "b"], log_colour=False, **LABELS)
    assert table["number_of_subnetworks"] == ["primal", "primal"]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([1.0, 2.0, 3.0], ValueError, "values must have shape (R, C), none of them 0, got (3,)"),
        (VALUES.T, ValueError, "values must have shape (2, 3), one row per row value and one column per column value, "
         "got (3, 2)"),
        (VALUES.astype(complex), TypeError, "values must hold real numbers, got dtype complex128"),
        (np.where(VALUES == 2, 0, VALUES), ValueError, "values must be above 0 and finite for log_colour=True (or nan "
         "for diverged), got 0.0 at (0, 2)"),
        (np.where(VALUES == 2, np.inf, VALUES), ValueError, "values must be above 0 and finite for log_colour=True (or "
         "nan for diverged), got inf at (0, 2)"),
    ],
)  # fmt: skip
def test_bad_values_are_refused(refused, values, error, message):
    with refused(error, f"draw_heatmap: {message}"):
        draw_heatmap(values, ROWS, COLUMNS, **LABELS)


def test_infinite_values_are_refused_without_logarithm_too(refused):
    rule = "draw_heatmap: values must be finite (or nan for diverged), got -inf at (0, 0)"
    with refused(ValueError, rule):
        draw_heatmap([[-np.inf]], [1], [1], log_colour=False, **LABELS)


def test_bad_panels_are_refused(refused):
    with refused(ValueError, "draw_heatmaps: panels must hold at least one array, got none"):
        draw_heatmaps({}, ROWS, COLUMNS, **LABELS)
    rule = "must have shape (2, 3), one row per row value and one column per column value, got (1, 3)"
    with refused(ValueError, f"draw_heatmaps: panels['b'] {rule}"):
        draw_heatmaps({"a": VALUES, "b": VALUES[:1]}, ROWS, COLUMNS, **LABELS)
    labels = "('number of subnetworks $p$', 'selection probability $\\\\xi$', 'a $x$', 'a $y$')"
    with refused(ValueError, f"draw_heatmaps: labels and panels must differ in their words, got {labels}"):
        draw_heatmaps({"a $x$": VALUES, "a $y$": VALUES}, ROWS, COLUMNS, **LABELS)
