"""Figure 2a: what is drawn, what is annotated, what is refused."""

import statistics

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from subnetlab.figures.dynamics import draw_dynamics
from subnetlab.figures.style import BLACK, BLUE, VERMILLION

S, K, TAU = 3, 7, 2


@pytest.fixture(scope="module")
def errors():
    """Errors with all three kinds of change in each round, times noise of a few per cent."""
    noise = np.random.default_rng(0).uniform(0.98, 1.02, size=(S, K + 1, TAU + 2))
    fall = 0.8 ** np.arange(K + 1)[:, None] * noise
    return 8 * fall[:, :-1, 0], np.array([5.0, 4.5]) * fall[:, :-1, 1:-1], 2.0 * fall[:, :, -1]


@pytest.fixture(scope="module")
def drawn(errors):
    return draw_dynamics(*errors, inset_rounds=5)


def by_hand(sampled, local, full):
    """The points of the figure, one after the other."""
    yield -0.25, 0, "initial", 0, full[:, 0]
    for k in range(sampled.shape[1]):
        yield k, k, "sampling", 0, sampled[:, k]
        for t in range(TAU):
            yield k + 0.5 * (t + 1) / TAU, k, "local step", t + 1, local[:, k, t]
        yield k + 0.75, k, "aggregation", TAU, full[:, k + 1]


def test_the_table_holds_every_point(errors, drawn):
    _, table = drawn
    position, rounds, events, steps, values = zip(*by_hand(*errors), strict=True)
    assert list(table) == ["position", "round", "event", "local_step", "mean", "variance"]
    assert table["position"] == pytest.approx(position)
    assert np.all(np.diff(table["position"]) > 0)
    assert (table["round"], table["event"], table["local_step"]) == (list(rounds), list(events), list(steps))
    assert table["mean"] == pytest.approx([statistics.fmean(v) for v in values], rel=1e-13)
    assert table["variance"] == pytest.approx([statistics.variance(v) for v in values], rel=1e-9)


@pytest.mark.parametrize(("row", "column"), [(0, "mean"), (1, "variance")])
def test_the_curves_are_the_table(drawn, row, column):
    figure, table = drawn
    points = set(zip(table["position"], table[column], strict=True))
    overview, detail = figure.axes[2 * row : 2 * row + 2]
    path, *markers = overview.lines
    assert set(zip(*path.get_data(), strict=True)) == points
    assert set().union(*(zip(*line.get_data(), strict=True) for line in markers)) == points
    colours = {"sampling": VERMILLION, "local step": BLUE, "aggregation": BLACK}
    for event, colour in colours.items():
        expected = {
            tuple(p) for *p, e in zip(table["position"], table[column], table["event"], strict=True) if e == event
        }
        found = [line for line in markers if to_rgb(line.get_color()) == to_rgb(colour)]
        assert expected <= set(zip(*found[0].get_data(), strict=True))
    assert np.nanmax(np.where(np.isnan(detail.lines[0].get_ydata()), np.nan, detail.lines[0].get_xdata())) == 5.0
    assert overview.get_yscale() == detail.get_yscale() == "log"


def annotations(figure):
    """The annotated rounds of each kind, found by where the texts stand."""
    found = {"(1)": [], "(2)": [], "(3)": []}
    for text in figure.axes[1].texts:
        found[text.get_text()].append(text.get_position()[0])
    return found


def legend_texts(figure):
    return [text.get_text().replace("\n", " ") for legend in figure.legends for text in legend.get_texts()]


def test_all_kinds_are_annotated_where_all_happen(drawn):
    k = np.arange(5)
    figure, _ = drawn
    expected = {"(1)": k + 0.25, "(2)": k + 0.625, "(3)": k + 0.875}
    assert {kind: pytest.approx(places) for kind, places in expected.items()} == annotations(figure)
    assert legend_texts(figure)[3:] == [
        "(1) smooth decrease in local training: 7 of 7 rounds",
        "(2) sudden decrease at aggregation: 7 of 7 rounds",
        "(3) sudden increase at re-sampling: 6 of 6 rounds",
    ]


def test_what_does_not_happen_is_not_annotated(errors):
    """The local steps rise in round 1; the aggregation of round 2 raises the error, so that no sampling does."""
    sampled, local, full = (e.copy() for e in errors)
    local[:, 1] = local[:, 1, ::-1]
    full[:, 3] = 10.0
    figure, _ = draw_dynamics(sampled, local, full, inset_rounds=4)
    found = {kind: np.floor(places).astype(int).tolist() for kind, places in annotations(figure).items()}
    assert found == {"(1)": [0, 2, 3], "(2)": [0, 1, 3], "(3)": [0, 1, 3]}
    assert [text.split(": ")[1] for text in legend_texts(figure)[3:]] == [
        "6 of 7 rounds",
        "6 of 7 rounds",
        "5 of 6 rounds",
    ]


def test_a_run_that_only_rises_is_not_annotated():
    rising = np.exp(0.1 * np.arange(24.0)).reshape(2, 4, 3)
    figure, _ = draw_dynamics(rising[:, :, 0], rising[:, :, 1:], np.full((2, 5), 50.0))
    assert annotations(figure) == {"(1)": [], "(2)": [], "(3)": []}


def test_annotations_lie_above_all_points_and_apart(drawn):
    figure, _ = drawn
    ax = figure.axes[1]
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 15
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert ax.bbox.x0 <= box.x0
        assert box.x1 <= ax.bbox.x1
        for line in ax.lines:
            y = ax.transData.transform(np.column_stack(line.get_data()))[:, 1]
            marker = line.get_markersize() / 2 * figure.dpi / 72
            assert np.nanmax(y) + marker < box.y0


def test_the_measures_are_named(errors, drawn):
    assert legend_texts(drawn[0])[:3] == [
        r"after sampling, mean over $\ell$ of $\|y-f^{\,\ell}\|^2$",
        r"after a local step, mean over $\ell$ of $\|y-f^{\,\ell}\|^2$",
        r"after aggregation, $\|y-u\|^2$",
    ]
    assert drawn[0].axes[0].get_ylabel() == "mean over 3 seeds"
    sampled, local, full = errors
    figure, table = draw_dynamics(sampled, local, full[:1], over="subnetworks", title="one run")
    assert legend_texts(figure)[0] == r"after sampling, $\|y-f^{\,\ell}\|^2$"
    assert figure.axes[0].get_ylabel() == "mean over 3 subnetworks"
    assert figure.legends[0].get_title().get_text() == "one run"
    shared = [v for v, e in zip(table["variance"], table["event"], strict=True) if e in ("initial", "aggregation")]
    assert shared == [0.0] * (K + 1)


def test_equal_repetitions_have_no_variance_to_draw():
    """0.1 + 0.1 + 0.1 is not 0.3: the variance must be 0 nevertheless."""
    same = np.full((3, 4), 0.1)
    figure, table = draw_dynamics(same, same[:, :, None], np.full((3, 5), 0.1))
    assert set(table["variance"]) == {0.0}
    assert [text.get_text() for text in figure.axes[2].texts] == ["0 everywhere"]


def test_one_repetition_has_a_mean_only(errors):
    figure, table = draw_dynamics(*(e[:1] for e in errors))
    assert len(figure.axes) == 2
    assert np.all(np.isnan(table["variance"]))
    assert table["mean"] == [float(v[0]) for *_, v in by_hand(*(e[:1] for e in errors))]


def test_fewer_rounds_are_drawn_on_demand(errors):
    sampled, local, full = errors
    figure, table = draw_dynamics(*errors, rounds=1)
    expected = by_hand(sampled[:, :1], local[:, :1], full[:, :2])
    assert table["mean"] == pytest.approx([v.mean() for *_, v in expected])
    assert figure.axes[1].get_title() == "training error, first round"


BAD = [
    (0, lambda e: e[0], ValueError, "sampled must have shape (S, K), none of them 0, got (7,)"),
    (0, lambda e: e[:0], ValueError, "sampled must have shape (S, K), none of them 0, got (0, 7)"),
    (0, lambda e: [[1.0, 2.0], [1.0]], ValueError, "sampled must have rows of equal length"),
    (0, lambda e: e.astype(str), TypeError, "sampled must hold real numbers, got dtype <U32"),
    (0, lambda e: -e[:, :1], ValueError, None),
    (1, lambda e: e[:, :-1], ValueError, "local must have shape (3, 7, tau) like sampled, got (3, 6, 2)"),
    (1, lambda e: e[:2], ValueError, "local must have shape (3, 7, tau) like sampled, got (2, 7, 2)"),
    (1, lambda e: e[:, :, :0], ValueError, "local must have shape (S, K, tau), none of them 0, got (3, 7, 0)"),
    (2, lambda e: e[:, 1:], ValueError, "full must have shape (3, 8) or (1, 8), got (3, 7)"),
    (2, lambda e: e[:2], ValueError, "full must have shape (3, 8) or (1, 8), got (2, 8)"),
    (2, lambda e: np.where(e == e[1, 2], np.nan, e), ValueError,
     "full must be finite and not negative, got nan at (1, 2) (1 such values)"),
    (2, lambda e: np.where(e == e[1, 2], np.inf, e), ValueError,
     "full must be finite and not negative, got inf at (1, 2) (1 such values)"),
]  # fmt: skip


@pytest.mark.parametrize(("which", "spoil", "error", "message"), BAD)
def test_bad_arrays_are_refused(errors, which, spoil, error, message):
    arrays = list(errors)
    arrays[which] = spoil(arrays[which])
    with pytest.raises(error) as caught:
        draw_dynamics(*arrays)
    if message is None:
        assert str(caught.value).startswith("draw_dynamics: sampled must be finite and not negative, got -")
    else:
        assert str(caught.value) == f"draw_dynamics: {message}"


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"over": "runs"}, ValueError, "over must be one of 'seeds', 'subnetworks', got 'runs'"),
        ({"rounds": 0}, ValueError, "rounds must be at least 1, got 0"),
        ({"rounds": 2.5}, TypeError, "rounds must be a whole number, got 2.5"),
        ({"inset_rounds": 0}, ValueError, "inset_rounds must be at least 1, got 0"),
        ({"inset_rounds": 6}, ValueError, "inset_rounds must be at most 5, got 6"),
    ],
)
def test_bad_options_are_refused(errors, refused, option, error, message):
    with refused(error, f"draw_dynamics: {message}"):
        draw_dynamics(*errors, **option)
