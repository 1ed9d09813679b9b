"""What the pages say, read from the file without a browser."""

import json
import re
import shutil
from html import escape, unescape

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.study.data import DatasetSpec, StudyData
from subnetlab.theory.theorem3 import theorem3

pytest.importorskip("altair", reason="needs the extra 'report'")


pytest.importorskip("vl_convert", reason="needs the extra 'report'")

from subnetlab.report.words import lettered


def content(path):
    return path.read_text(encoding="utf-8")


def figure_data(page, name):
    """The numbers of a figure."""
    found = re.search(rf'<figure id="{name}".*?<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def prose(page):
    """The page's text, without what scripts and styles hold."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("kind", ["run", "study", "reproduction"])
def test_one_file_under_3_mb_that_names_no_other(pages, kind):
    page = content(pages[kind])
    assert len(page.encode()) < 3e6
    assert page.startswith("<!DOCTYPE html>\n<!-- subnetlab report -->")
    markup = re.sub(r"<script\b[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    addresses = re.findall(r"""\b(?:src|href)\s*=\s*["']?([^"' >]*)""", markup)
    assert addresses
    assert {address[:1] if address.startswith("#") else address for address in addresses} == {"#", "data:,"}
    assert "url(" not in markup and "@import" not in markup
    assert "default-src 'none'" in markup


@pytest.mark.parametrize("kind", ["run", "study", "reproduction"])
def test_the_same_results_give_the_same_bytes(pages, kind, tmp_path):
    again = sl.write_report(pages[kind].parent, tmp_path / "again.html")
    assert again.read_bytes() == pages[kind].read_bytes()


def test_the_curve_of_a_run_is_its_history(run_folder, pages):
    history = sl.load_run(run_folder / "run.npz").history
    data = figure_data(content(pages["run"]), "inside")
    errors = np.array(data["errors"])
    np.testing.assert_allclose(errors[:, 0], history.sampled_error, rtol=1e-4)
    np.testing.assert_allclose(errors[:, 1:-1], history.local_error, rtol=1e-4)
    np.testing.assert_allclose(errors[:, -1], history.full_error[1:], rtol=1e-4)
    np.testing.assert_allclose(data["initial"], history.full_error[0], rtol=1e-4)
    np.testing.assert_allclose(np.array(data["low"])[:, :-1], history.subnetwork_errors.min(axis=2), rtol=1e-4)
    predicted = sl.load_run(run_folder / "run.npz").theory().prediction
    np.testing.assert_allclose(np.array(data["predicted"]["errors"])[:, -1], predicted.full_error[1:], rtol=1e-4)


def test_the_page_of_a_run_says_what_was_found(run_folder, pages):
    said = prose(content(pages["run"]))
    verdict = sl.load_run(run_folder / "run.npz").theory()
    assert verdict.promises[verdict.theorem][0].vacuous
    for words in ("VACUOUS", "NOT MET", "promises nothing here", "share of activation patterns", "SHA-256", "diabetes"):
        assert words in said
    assert "not held against the theory" not in said


def test_a_heatmap_holds_the_mean_of_the_last_rounds(reproduction_folder, pages):
    data = figure_data(content(pages["reproduction"]), "explorer-2c")
    table_ = sl.open_study(reproduction_folder).select(masks="categorical").table()
    assert [axis["values"] for axis in data["axes"]] == [["2", "4"], ["1", "5"]]
    expected = (
        table_.full_error.isel(state=slice(-10, None)).mean("state").transpose("n_subnetworks", "local_steps", "seed")
    )
    np.testing.assert_allclose(np.array(data["values"]["full"]), expected.values.ravel(), rtol=1e-4)
    means = np.array(data["curves"]["full"]["mean"])
    curves = (
        table_.full_error.isel(state=slice(1, None)).mean("seed").transpose("n_subnetworks", "local_steps", "state")
    )
    np.testing.assert_allclose(means, curves.values.reshape(4, -1), rtol=1e-4)


def test_the_page_of_a_reproduction_holds_every_verdict(reproduction_folder, pages):
    page = content(pages["reproduction"])
    verdicts = json.loads((reproduction_folder / "verdicts.json").read_text())
    for outcome in ("HOLDS", "FAILS", "UNDECIDED"):
        count = sum(verdict["outcome"] == outcome for verdict in verdicts)
        assert page.count(f">{outcome}</span>") == count
    assert all(lettered(verdict["claim"]) in unescape(page) for verdict in verdicts)
    assert "not each seed's" in unescape(page)  # seeds are summarised, and the page says so


def test_diverged_cells_are_told_from_others(study_folder, pages):
    counts = sl.open_study(study_folder).counts()
    assert counts["diverged"]
    data = figure_data(content(pages["study"]), "explorer")
    assert data["status"].count("d") == counts["diverged"]
    assert sum(value is None for value in data["values"]["full"]) == counts["diverged"]
    assert f"{counts['diverged']} diverged" in prose(content(pages["study"]))
    assert "× has diverged" in prose(content(pages["study"]))


def test_the_prediction_of_a_cell_is_the_theory_of_its_settings(study_folder, pages):
    data = figure_data(content(pages["study"]), "explorer")
    grid = [(p, xi, eta) for p in (1, 4) for xi in (0.5, 1.0) for eta in (0.3, 4.0)]
    assert [axis["values"] for axis in data["axes"]] == [["1", "4"], ["0.5", "1"], ["0.3", "4"]]
    given = sl.load_dataset("diabetes", n_samples=20)
    model = sl.average_lazy_model(given.X, given.y, 60)
    for cell in (0, 4):
        p, xi, eta = grid[cell]
        scheme = sl.TrainingScheme(sl.Bernoulli(p, xi), rounds=20, local_steps=5, step_size=eta)
        predicted = sl.predict(model, scheme)
        np.testing.assert_allclose(data["predicted"]["full"][cell], predicted.full_error[1:], rtol=1e-4)
        np.testing.assert_allclose(data["predicted"]["sampled"][cell], predicted.sampled_error, rtol=1e-4)
        setting = sl.theory_setting(given.X, given.y, scheme, width=60)
        promise = theorem3(setting)
        bound = data["bounds"][cell]
        at_end = bound["start"] * bound["rate"] ** 20 + bound["floor"]
        np.testing.assert_allclose(at_end, promise.bound[-1], rtol=1e-9)


def no_data(spec):
    raise OSError("nothing here")


def other_data(spec):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 10))
    return StudyData(X / np.linalg.norm(X, axis=1, keepdims=True), rng.normal(size=20), None, "diabetes", "")


@pytest.mark.parametrize(
    ("load", "why_not"),
    [
        (no_data, "the data (diabetes) were not available"),
        (other_data, "the data found here are not those of the runs"),
    ],
)
def test_without_the_data_of_the_runs_no_prediction_is_drawn(study_folder, tmp_path, monkeypatch, load, why_not):
    monkeypatch.setattr(DatasetSpec, "load", load)
    page = content(sl.write_report(study_folder, tmp_path / "page.html"))
    assert f"Prediction and bound are not drawn: {why_not}" in page
    assert figure_data(page, "explorer")["predicted"] is None
    assert 'name="predicted"' not in page


BATCHES = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=6, local_steps=2, batch_size=2)  # measure no more than asked


REASONS = {
    "rounds": (
        {"scheme": BATCHES, "engine": "minibatch", "record": "rounds"},
        "recorded the error after each round alone",
        None,
    ),
    "none": ({"scheme": BATCHES, "engine": "minibatch", "record": "none"}, "this run recorded no errors", None),
    "weights": ({"sample_weight": np.arange(1.0, 7.0)}, "", "sample_weight must be None"),
    "outputs": ({"y": np.ones((6, 2)), "outputs": 2}, "", "y must have one output"),
    "logistic": ({"y": np.array([0, 1, 0, 1, 0, 1.0]), "loss": "logistic"}, "", "the run&#39;s is logistic"),
    "signs": ({"learn_output_weights": True}, "", "keeps the output weights fixed"),
}


@pytest.mark.parametrize("name", REASONS)
def test_where_the_theory_is_silent_the_page_says_why(saved, name):
    options, note, why_not = REASONS[name]
    page = content(sl.write_report(saved(**options)))
    assert note in page
    said = re.search("This run is not held against the theory: ([^<]*)", page)
    assert (said is None) if why_not is None else why_not in said[1]


@pytest.mark.parametrize(
    ("step_size", "says"), [(100.0, "No round was completed."), (10.0, "The run diverged in round 2")]
)
def test_a_run_that_diverged(saved, step_size, says):
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=50, local_steps=5, step_size=step_size)
    assert says in prose(content(sl.write_report(saved(scheme))))


def test_user_text_cannot_become_markup(study_folder, tmp_path):
    evil = "</script><b>&x"
    copy = shutil.copytree(study_folder, tmp_path / "study")
    plan = json.loads((copy / "plan.json").read_text())
    (copy / "plan.json").write_text(json.dumps({**plan, "name": evil}))
    page = content(sl.write_report(copy))
    assert evil not in page
    assert f"<h1>{escape(evil)}</h1>" in page


def test_a_long_run_is_thinned_and_the_page_says_so(saved):
    masks = sl.Rolling(2, 0.5)  # the theory knows nothing of them, and predicts no long course
    scheme = sl.TrainingScheme(masks, rounds=2000, local_steps=16, step_size=0.1, batch_size=4)
    page = content(sl.write_report(saved(scheme)))
    data = figure_data(page, "inside")
    assert len(data["rounds"]) == len(data["errors"]) < 1200
    assert f"Of 2000 rounds the page holds {len(data['rounds'])}" in page
    assert len(page.encode()) < 1.5e6
