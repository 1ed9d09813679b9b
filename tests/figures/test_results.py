"""run.plot(), prediction.plot(), study.plot(): the numbers drawn are those of the result, in any axes."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import subnetlab as sl
from subnetlab.study import CellResult, Store, StudyPlan
from subnetlab.study.result import encode
from subnetlab.study.store import Outcome

X, Y = np.eye(3), np.array([1.0, -1.0, 0.5])
NETWORK = sl.ShallowReLU.initialize(60, 3)
SCHEME = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=6, local_steps=3, step_size=0.2)


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax):
    """The curves by their names in the legend."""
    return {line.get_label(): tuple(np.asarray(data).tolist() for data in line.get_data()) for line in ax.lines}


def test_a_run(ax):
    run = sl.train(NETWORK, X, Y, SCHEME, validation=(X, Y))
    assert run.plot(ax) is ax
    history = run.history
    assert drawn(ax) == {
        "subnetworks, sampled": ([0, 1, 2, 3, 4, 5], history.sampled_error.tolist()),
        "subnetworks, after local steps": ([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], history.local_error[:, -1].tolist()),
        "whole network": ([0, 1, 2, 3, 4, 5, 6], history.full_error.tolist()),
        "validation rows": ([0, 1, 2, 3, 4, 5, 6], history.validation_error.tolist()),
    }
    assert ax.get_yscale() == "log"


def test_only_what_was_recorded_is_drawn(ax):
    sl.train(NETWORK, X, Y, SCHEME, record="rounds", engine="minibatch").plot(ax)
    assert list(drawn(ax)) == ["whole network"]
    with pytest.raises(ValueError, match="nothing was recorded"):
        sl.train(NETWORK, X, Y, SCHEME, record="none", engine="minibatch").plot(Figure().subplots())


def test_a_prediction_beside_a_run(ax):
    run = sl.train(NETWORK, X, Y, SCHEME)
    prediction = sl.predict(sl.lazy_model(NETWORK, X, Y), SCHEME)
    prediction.plot(run.plot(ax))
    curves = drawn(ax)
    assert curves["whole network, predicted"][1] == prediction.full_error.tolist()
    assert curves["predicted floor"][1] == [prediction.floor] * 2
    assert [line.get_color() for line in ax.lines[:3]] == [line.get_color() for line in ax.lines[3:6]]


def test_the_look_is_chosen_and_the_user_s_settings_stay():
    run = sl.train(NETWORK, X, Y, SCHEME)
    before = dict(mpl.rcParams)
    ours = run.plot().xaxis.label.get_fontfamily()
    own = run.plot(style={"font.family": "monospace"}).xaxis.label.get_fontfamily()
    with mpl.rc_context({"font.family": "serif"}):
        as_set = run.plot(style=None).xaxis.label.get_fontfamily()
    assert (ours, own, as_set) == (["STIXGeneral"], ["monospace"], ["serif"])
    assert dict(mpl.rcParams) == before
    mpl.pyplot.close("all")


@pytest.mark.parametrize("style", ["foo", 5, {"foo": 1}])
def test_a_style_that_matplotlib_does_not_take_is_refused(style):
    run = sl.train(NETWORK, X, Y, SCHEME)
    with pytest.raises(ValueError, match=r"^plot: style must be 'publication', None, or what matplotlib"):
        run.plot(style=style)


def study_of(folder, settings):
    """A study whose cells all end at the error width + seed; those of width 9 fail."""

    def run(cell):
        if cell.width == 9:
            return CellResult("failed", "no")
        return CellResult("ok", "", 0.1, cell.rounds, finals={"final_full_error": float(cell.width + cell.seed)})

    plan = StudyPlan.from_dict(
        {"dataset": {"name": "synthetic", "n_samples": 5}, "settings": {"rounds": 2, "selection_prob": 0.5} | settings}
    )
    with Store(folder) as store:
        tasks = [cell.identified() for cell in plan.cells]
        store.set_plan((key, cell.stored_settings()) for key, cell in tasks)
        results = [(key, run(cell)) for key, cell in tasks]
        store.write(Outcome(key, result.status, 1.0, encode(result)) for key, result in results)
    return sl.open_study(folder)


def test_a_study_of_one_setting_is_a_curve_with_its_range(tmp_path, ax):
    study = study_of(tmp_path, {"width": [4, 8, 9], "seed": [0, 2]})
    study.plot(ax)
    assert list(ax.lines[0].get_xdata()) == [4, 8]
    assert list(ax.lines[0].get_ydata()) == [5, 9]
    band = ax.collections[0].get_paths()[0].vertices
    assert {(4.0, 4.0), (4.0, 6.0), (8.0, 8.0), (8.0, 10.0)} <= {tuple(map(float, point)) for point in band}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("width", "final full error")
    assert repr(study) == f"Study({str(study.path)!r}, cells: 4 ok, 2 failed)\n  varies  width (3), seed (2)"


def test_a_study_of_two_settings_is_a_heatmap(tmp_path, ax):
    study = study_of(tmp_path, {"width": [4, 8], "local_steps": [1, 2, 3], "seed": [0, 2]})
    study.plot(ax)
    (mesh,) = ax.collections
    np.testing.assert_array_equal(np.sort(mesh.get_array().reshape(-1)), [5, 5, 5, 9, 9, 9])
    labels = [tick.get_text() for tick in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    assert sorted(labels) == ["1", "2", "3", "4", "8"]


def test_what_a_study_cannot_show_is_said(tmp_path, ax):
    study = study_of(tmp_path, {"width": [4, 8], "local_steps": [1, 2], "init_scale": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"one or two settings must vary besides seeds, got .*init_scale"):
        study.plot(ax)
    with pytest.raises(ValueError, match=r"Study.plot: value must be one of .*, got 'error'"):
        study.plot(ax, value="error")
    study.select(init_scale=1.0).plot(ax)
