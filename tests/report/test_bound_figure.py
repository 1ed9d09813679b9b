"""The figure of bounds: certificate and own statements are drawn, told and tabulated, and names are text."""

import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.report import theory_part
from subnetlab.theory.record import Promise
from subnetlab.theory.table import THEOREMS

pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")

from subnetlab.report.bound_figure import bound_curves, bound_figure

EVIL = "<img src=x onerror=alert(1)>\"'&</script>"
K = 5


def promising(statement, factor):
    """A statement of one's own: the error of round k is at most factor / 2^k times the first one."""

    def promise(setting, constants="paper"):
        bound = factor * setting.initial_error * 0.5 ** np.arange(setting.rounds + 1)
        return Promise(statement, constants, applies=True, bound=bound, initial_error=setting.initial_error)

    return promise


@pytest.fixture(scope="module")
def run():
    network = sl.ShallowReLU.initialize(width=300, n_features=3, seed=0)
    return sl.train(network, np.eye(3), np.ones(3), sl.dropout(0.5, rounds=K, step_size=0.3), seed=0)


@pytest.fixture(scope="module")
def verdict(run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(THEOREMS, EVIL, promising(EVIL, 2))
        patch.setitem(THEOREMS, "again", promising(EVIL, 3))
        patch.setitem(THEOREMS, "far", promising("<b>far</b>", 1e6))
        return run.theory()


def drawn(spec):
    """The numbers that a chart draws, by curve."""
    found = {}
    for layer in spec["layer"]:
        for row in layer["data"].get("values") or spec.get("datasets", {}).get(layer["data"].get("name"), []):
            if "curve" in row:
                found.setdefault(row["curve"], {})[row["round"]] = row["error"]
    return {name: [points[k] for k in sorted(points)] for name, points in found.items()}


def test_certificate_and_own_bounds_are_lines_with_their_names(run, verdict):
    figure = bound_figure(verdict)
    specs = figure.content["specs"]
    near, far = drawn(specs["bound"]), drawn(specs["far"])
    first = run.history.full_error[0]
    halves = first * 0.5 ** np.arange(K + 1)
    expected = {
        "measured": run.history.full_error,
        "certificate of this run": sl.certify(run).bound,
        f"bound of {EVIL}": 2 * halves,
        f"bound of {EVIL} (again)": 3 * halves,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(near[name], values, rtol=1e-4)
    np.testing.assert_allclose(far["bound of <b>far</b>"], 1e6 * halves, rtol=1e-4)
    assert not near.keys() & far.keys()
    assert [key.meaning for key in figure.keys[:-1]] == [curve.name for curve in bound_curves(verdict)]
    assert near.keys() | far.keys() == {curve.name for curve in bound_curves(verdict)}
    looks = [(key.mark, key.colour) for key in figure.keys]  # in the legend, too, no two are alike
    assert len(set(looks)) == len(looks)


def test_the_words_and_the_tables_have_them_too(run, verdict):
    certificate = sl.certify(run)
    caption = bound_figure(verdict).caption
    assert f"after {K} rounds the error is at most {certificate.bound[-1]:.4g}" in caption
    assert f"The bound of {EVIL}, which is not the paper's, goes from" in caption
    (table,) = theory_part.bound_table(verdict).parts
    assert table.header == ["rounds made", *(curve.name for curve in bound_curves(verdict))]
    column = table.header.index("certificate of this run")
    assert [row[column] for row in table.rows] == [f"{value:.4g}" for value in certificate.bound]
    (row,) = [row for row in theory_part.promise_table(verdict).rows if row[0] == "certificate of this run"]
    assert (row[1].split(" after")[0], row[3].word) == (f"error at most {certificate.bound[-1]:.4g}", "KEPT")


def test_a_bound_that_the_certificate_breaks_is_said(verdict):
    worse = replace(verdict.certificate, bound=verdict.certificate.bound / 4)
    (row,) = [row for row in theory_part.promise_table(replace(verdict, certificate=worse)).rows if "cert" in row[0]]
    assert row[3].word == "BROKEN"


def test_without_a_certificate_the_page_says_why(run, monkeypatch):
    monkeypatch.setattr("subnetlab.training.certificate._A_MINUTE", 0.0)
    verdict, reason = theory_part.judge(run)
    assert "certificate of this run" not in {curve.name for curve in bound_curves(verdict)}
    said = bound_figure(verdict, reason).caption
    assert "There is no certificate of this run here: it would take more than about a minute" in said


def test_a_certificate_whose_numbers_overflow_leaves_the_rest(run, monkeypatch):
    def overflowing(run, wanted):
        raise ValueError("certify: errors must be finite, in round 3 they overflow")

    monkeypatch.setattr(theory_part, "certificate_of", overflowing)
    verdict, reason = theory_part.judge(run)
    assert verdict is not None
    assert reason == "errors must be finite, in round 3 they overflow"


def test_names_of_statements_are_text_in_a_browser(opened, run, tmp_path, monkeypatch):
    monkeypatch.setitem(THEOREMS, EVIL, promising(EVIL, 2))
    run.save(tmp_path / "run.npz")
    path = sl.write_report(tmp_path)
    page = path.read_text(encoding="utf-8")
    assert EVIL not in page and EVIL in unescape(page)
    (data,) = re.findall(r'<figure id="bound".*?<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert f"bound of {EVIL}" in drawn(json.loads(data)["specs"]["bound"])
    tab = opened(path)
    assert tab.locator("img").count() == 0
    assert tab.locator("#bound .legend li", has_text=EVIL).count() == 1
    line = tab.locator("#bound [data-plot=bound] .mark-line path").last
    line.scroll_into_view_if_needed()
    at = line.evaluate(
        "path => { const m = path.getScreenCTM(), q = path.getPointAtLength(4); return [q.x*m.a+m.e, q.y*m.d+m.f]; }"
    )
    tab.mouse.move(at[0] - 3, at[1])
    tab.mouse.move(*at)
    tab.locator("#vg-tooltip-element", has_text=EVIL).wait_for(state="attached")
    assert tab.locator("img").count() == 0
    assert tab.complaints == []
