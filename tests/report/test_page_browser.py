"""The pages in a browser without a network: nothing asked for, nothing complained about, and controls that work."""

import csv

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.main import main

pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")

KINDS = ("run", "study", "reproduction")
SIZES = {"desktop": (1280, False), "phone": (390, True)}


def drawing(page, figure, plot):
    return page.locator(f"#{figure} [data-plot={plot}] svg").evaluate("svg => svg.outerHTML")


def set_control(page, figure, name, value):
    """Move a control as a reader would: a list by the words of an option, everything else by its value."""
    control = page.locator(f"#{figure} .controls [name={name}]")
    if isinstance(value, bool):
        control.set_checked(value)
    elif isinstance(value, str):
        control.select_option(label=value)
    else:
        control.fill(str(value))


def changes(page, figure, plot, before):
    """Wait until the drawing is another one."""
    page.wait_for_function(
        "([place, before]) => document.querySelector(place).outerHTML !== before",
        arg=[f"#{figure} [data-plot={plot}] svg", before],
    )
    return True


def readout(page, figure):
    return page.locator(f"#{figure} .readout").text_content()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_for_nothing_and_fits(opened, pages, kind, size):
    width, touch = SIZES[size]
    page = opened(pages[kind], width=width, touch=touch)
    assert page.requests == [pages[kind].resolve().as_uri()]
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('.trouble').length") == 0
    empty = "[...document.querySelectorAll('.plot')].filter(plot => !plot.querySelector('svg path')).length"
    assert page.evaluate(empty) == 0


def test_a_page_that_asks_for_something_would_be_caught(opened, pages, tmp_path):
    content = pages["run"].read_text(encoding="utf-8")
    bad = tmp_path / "bad.html"
    bad.write_text(content.replace("</main>", '<img src="https://example.com/x.png"></main>'), encoding="utf-8")
    assert opened(bad).complaints  # the page's own policy forbids it, and says so


def test_the_rounds_shown_move_by_keyboard(opened, pages):
    page = opened(pages["run"])
    before = drawing(page, "inside", "detail")
    first = page.locator("#inside [name=first]")
    first.press("ArrowRight")
    assert changes(page, "inside", "detail", before)
    assert first.get_attribute("aria-valuetext") == "1"


def test_the_window_of_rounds_can_be_drawn_on_the_overview(opened, pages):
    page = opened(pages["run"])
    overview = page.locator("#inside [data-plot=overview] svg")
    overview.scroll_into_view_if_needed()
    box = overview.bounding_box()
    at = [(box["x"] + share * box["width"], box["y"] + 0.3 * box["height"]) for share in (0.6, 0.7, 0.85)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1])
    page.mouse.move(*at[2])
    page.mouse.up()
    page.wait_for_function("Number(document.querySelector('#inside [name=first]').value) >= 5")
    assert page.locator("#inside [name=shown]").input_value() in ("2", "3")


def test_a_box_takes_the_prediction_away_and_its_line_of_the_legend(opened, pages):
    page = opened(pages["run"])
    before = drawing(page, "inside", "detail")
    set_control(page, "inside", "predicted", False)
    assert changes(page, "inside", "detail", before)
    assert page.locator("#inside li[data-of=predicted]").is_hidden()


@pytest.mark.parametrize(("name", "value"), [("axis-selection_prob", 2), ("measure", "after sampling")])
def test_a_control_changes_heatmap_and_curve(opened, pages, name, value):
    page = opened(pages["reproduction"])
    before = {plot: drawing(page, "explorer-2b", plot) for plot in ("heatmap", "curve")}
    said = readout(page, "explorer-2b")
    set_control(page, "explorer-2b", name, value)
    for plot in before:
        assert changes(page, "explorer-2b", plot, before[plot])
    assert readout(page, "explorer-2b") != said


def test_a_seed_changes_the_heatmap(opened, pages):
    page = opened(pages["reproduction"])
    before = drawing(page, "explorer-2c", "heatmap")
    set_control(page, "explorer-2c", "seed", "0")
    assert changes(page, "explorer-2c", "heatmap", before)


def test_the_bound_is_drawn_when_asked_for(opened, pages):
    page = opened(pages["reproduction"])
    before = drawing(page, "explorer-2b", "curve")
    assert "vacuous" in readout(page, "explorer-2b")
    set_control(page, "explorer-2b", "bound", True)
    assert changes(page, "explorer-2b", "curve", before)


def test_a_click_on_a_cell_chooses_it(opened, pages):
    page = opened(pages["reproduction"])
    heatmap = page.locator("#explorer-2b [data-plot=heatmap]")
    heatmap.scroll_into_view_if_needed()
    chosen = heatmap.locator("path[stroke='var(--sampling)']").bounding_box()
    width = heatmap.locator("svg").bounding_box()["width"]
    x, y = chosen["x"] + chosen["width"] / 2, chosen["y"] + chosen["height"] / 2
    page.mouse.click(x - width / 4, y)  # the cell to the left of the chosen one
    page.locator("#explorer-2b .readout", has_text="ξ = 0.2").wait_for()
    assert page.locator("#explorer-2b [name=axis-selection_prob]").input_value() == "0"


def test_the_axes_of_a_heatmap_can_be_swapped_for_others(opened, pages):
    page = opened(pages["study"])
    before = drawing(page, "explorer", "heatmap")
    set_control(page, "explorer", "across", "step size η")
    assert changes(page, "explorer", "heatmap", before)
    page.locator("#explorer [data-plot=heatmap] .role-axis-title", has_text="step size η").wait_for()
    assert page.complaints == []


def test_settings_that_depend_on_each_other_follow(opened, mixed_folder):
    page = opened(sl.write_report(mixed_folder))
    for law, other in (("categorical", "bernoulli"), ("bernoulli", "categorical")):
        set_control(page, "explorer", "axis-masks", law)
        page.locator("#explorer .readout", has_text=f"masks = {law}").wait_for()
        assert other not in readout(page, "explorer") and "absent" not in readout(page, "explorer")
        xi = page.locator("#explorer [name=axis-selection_prob]").evaluate("list => list.selectedOptions[0].text")
        assert (xi == "none") == (law == "categorical")
    assert page.complaints == []


def test_dark_and_paper(opened, pages):
    page = opened(pages["run"], scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    axis = "getComputedStyle(document.querySelector('#inside .role-axis-title text')).fill"
    dark = page.evaluate(background), page.evaluate(axis)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(background), page.evaluate(axis)
    assert dark[0] != light[0] and dark[1] != light[1]
    page.emulate_media(color_scheme="dark", media="print")
    assert (page.evaluate(background), page.evaluate(axis)) == ("rgb(255, 255, 255)", light[1])
    assert page.locator(".controls").first.is_hidden()
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_has_a_label_and_every_table_its_headers(opened, pages, kind):
    page = opened(pages[kind])
    assert page.evaluate("[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).length") == 0
    assert page.evaluate("document.querySelectorAll('table').length") > 0
    assert page.evaluate("[...document.querySelectorAll('table')].filter(t => !t.caption).length") == 0
    assert page.evaluate("document.querySelectorAll('th:not([scope])').length") == 0
    unlabelled = (
        "[...document.querySelectorAll('[role=img]')]"
        ".filter(e => !document.getElementById(e.getAttribute('aria-labelledby'))).length"
    )
    assert page.evaluate(unlabelled) == 0
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("command", ["train", "study"])
def test_names_of_files_columns_and_studies_are_text(opened, tmp_path, monkeypatch, command):
    evil = "<img src=x onerror=alert(1)>\"'&"
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(12, 4))
    columns = [f"{evil}{i}" for i in range(4)]
    with open(f"{evil}.csv", "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows.tolist()])
    options = ["--dataset", f"{evil}.csv", "--target", columns[3], "--width", "20", "--rounds", "4", "--quiet"]
    grid = ["--p", "2", "4", "--xi", "0.5", "--jobs", "1"] if command == "study" else []
    assert main([command, "--out", evil, *options, *grid]) == 0
    page = opened(sl.write_report(evil))
    assert page.locator("img").count() == 0
    assert page.evaluate("document.body.innerText").count(evil) >= 2  # the file or the folder, and the column
    assert page.complaints == []
