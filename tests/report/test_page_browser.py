"""The pages in a browser without a network: nothing asked for, nothing complained about, and controls that work."""

import pytest

import subnetlab as sl

pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")

KINDS = ("run", "study", "reproduction")
SIZES = {"desktop": (1280, False), "phone": (390, True)}

# the drawing of a figure as text, and a control moved as a reader would
DRAWING = "document.querySelector('#{figure} [data-plot=\"{plot}\"] svg').outerHTML"
SET = """(() => {{
    const input = document.querySelector('#{figure} .controls [name="{name}"]');
    if (input.type === "checkbox") input.checked = {value}; else input.value = {value};
    input.dispatchEvent(new Event("input", {{ bubbles: true }}));
}})()"""


def drawing(page, figure, plot):
    return page.run(DRAWING.format(figure=figure, plot=plot))


def set_control(page, figure, name, value):
    page.run(SET.format(figure=figure, name=name, value=value))


def changes(page, figure, plot, before):
    """Wait until the drawing is another one."""
    old = f"window.before_ = {before!r}"
    page.run(f"void ({old})")
    page.wait(f"{DRAWING.format(figure=figure, plot=plot)} !== window.before_", seconds=5)
    return True


@pytest.fixture
def opened(browser, pages):
    """``opened(kind, **how)``: the page of a kind; closed at the end."""
    open_pages = []

    def open_page(kind, **how):
        page = browser.open(pages[kind], **how)
        open_pages.append(page)
        return page

    yield open_page
    for page in open_pages:
        page.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_for_nothing_and_fits(opened, pages, kind, size):
    width, touch = SIZES[size]
    page = opened(kind, width=width, touch=touch)
    assert page.requests == [pages[kind].resolve().as_uri()]
    assert page.complaints == []
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.querySelectorAll('.trouble').length") == 0
    empty = "[...document.querySelectorAll('.plot')].filter(plot => !plot.querySelector('svg path')).length"
    assert page.run(empty) == 0


def test_a_page_that_asks_for_something_would_be_caught(browser, pages, tmp_path):
    content = pages["run"].read_text(encoding="utf-8")
    bad = tmp_path / "bad.html"
    bad.write_text(content.replace("</main>", '<img src="https://example.com/x.png"></main>'), encoding="utf-8")
    page = browser.open(bad)
    assert page.complaints  # the page's own policy forbids it, and says so
    page.close()


def test_the_rounds_shown_move_by_keyboard(opened):
    page = opened("run")
    before = drawing(page, "inside", "detail")
    page.run("document.querySelector('#inside [name=first]').focus()")
    page.press("ArrowRight", 39)
    assert changes(page, "inside", "detail", before)
    assert page.run("document.querySelector('#inside [name=first]').getAttribute('aria-valuetext')") == "1"


def test_the_window_of_rounds_can_be_drawn_on_the_overview(opened):
    page = opened("run")
    page.run(
        "document.querySelector('#inside [data-plot=overview]').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    box = page.run(
        "(r => [r.left, r.top, r.width, r.height])"
        "(document.querySelector('#inside [data-plot=overview] svg')"
        ".getBoundingClientRect())"
    )
    left, top, width, height = box
    page.drag(left + 0.6 * width, top + 0.3 * height, left + 0.85 * width, top + 0.3 * height)
    page.wait("Number(document.querySelector('#inside [name=first]').value) >= 5", seconds=5)
    assert page.run("document.querySelector('#inside [name=shown]').value") in ("2", "3")


def test_a_box_takes_the_prediction_away_and_its_line_of_the_legend(opened):
    page = opened("run")
    before = drawing(page, "inside", "detail")
    set_control(page, "inside", "predicted", "false")
    assert changes(page, "inside", "detail", before)
    assert page.run("document.querySelector('#inside li[data-of=predicted]').hidden")


@pytest.mark.parametrize(
    ("name", "plots"), [("axis-selection_prob", ("heatmap", "curve")), ("measure", ("heatmap", "curve"))]
)
def test_a_control_changes_heatmap_and_curve(opened, name, plots):
    page = opened("reproduction")
    before = {plot: drawing(page, "explorer-2b", plot) for plot in plots}
    said = page.run("document.querySelector('#explorer-2b .readout').textContent")
    set_control(page, "explorer-2b", name, 2)
    for plot in plots:
        assert changes(page, "explorer-2b", plot, before[plot])
    assert page.run("document.querySelector('#explorer-2b .readout').textContent") != said


def test_a_seed_changes_the_heatmap(opened):
    page = opened("reproduction")
    before = drawing(page, "explorer-2c", "heatmap")
    set_control(page, "explorer-2c", "seed", 1)
    assert changes(page, "explorer-2c", "heatmap", before)


def test_the_bound_is_drawn_when_asked_for(opened):
    page = opened("reproduction")
    before = drawing(page, "explorer-2b", "curve")
    assert "vacuous" in page.run("document.querySelector('#explorer-2b .readout').textContent")
    set_control(page, "explorer-2b", "bound", "true")
    assert changes(page, "explorer-2b", "curve", before)


def test_a_click_on_a_cell_chooses_it(opened):
    page = opened("reproduction")
    page.run("document.querySelector('#explorer-2b').scrollIntoView({behavior: 'instant'})")
    x, y = page.run(
        "(r => [r.left + r.width / 2, r.top + r.height / 2])([...document.querySelectorAll("
        "'#explorer-2b [data-plot=heatmap] .mark-rect.role-mark path')].slice(-1)[0].getBoundingClientRect())"
    )
    width = page.run("document.querySelector('#explorer-2b [data-plot=heatmap] svg').getBoundingClientRect().width")
    chosen = "document.querySelector('#explorer-2b [name=\"axis-selection_prob\"]').value"
    before = page.run(chosen)
    page.click(x - width / 4, y)  # the cell to the left of the chosen one
    page.wait(f"{chosen} !== '{before}'", seconds=5)
    assert page.run(chosen) == "0"


def test_the_axes_of_a_heatmap_can_be_swapped_for_others(opened):
    page = opened("study")
    before = drawing(page, "explorer", "heatmap")
    set_control(
        page,
        "explorer",
        "across",
        "[...document.querySelector('[name=across]').options].findIndex(o => o.text === 'step size η')",
    )
    assert changes(page, "explorer", "heatmap", before)
    page.wait("document.querySelector('#explorer [data-plot=heatmap]').textContent.includes('step size η')", seconds=5)
    assert page.complaints == []


def test_settings_that_depend_on_each_other_follow(browser, mixed_folder):
    page = browser.open(sl.write_report(mixed_folder))
    label = "document.querySelector('#explorer [name={}]').selectedOptions[0].text"
    for law, other in (("categorical", "bernoulli"), ("bernoulli", "categorical")):
        set_control(page, "explorer", "axis-masks", f"[...input.options].findIndex(o => o.text === '{law}')")
        said = "document.querySelector('#explorer .readout').textContent"
        page.wait(f"{said}.includes('masks = {law}')", seconds=5)
        assert other not in page.run(said) and "absent" not in page.run(said)
        xi = page.run(label.format("axis-selection_prob"))
        assert (xi == "none") == (law == "categorical")
    assert page.complaints == []
    page.close()


def test_dark_and_paper(opened):
    page = opened("run", scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    axis = "getComputedStyle(document.querySelector('#inside .role-axis-title text')).fill"
    dark = page.run(background), page.run(axis)
    page.prefer("light")
    light = page.run(background), page.run(axis)
    assert dark[0] != light[0] and dark[1] != light[1]
    page.prefer("dark", media="print")
    assert (page.run(background), page.run(axis)) == ("rgb(255, 255, 255)", light[1])
    assert page.run("getComputedStyle(document.querySelector('.controls')).display") == "none"
    assert page.paper().startswith(b"%PDF")


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_has_a_label_and_every_table_its_headers(opened, kind):
    page = opened(kind)
    assert page.run("[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).length") == 0
    assert page.run("document.querySelectorAll('table').length") > 0
    assert page.run("[...document.querySelectorAll('table')].filter(t => !t.caption).length") == 0
    assert page.run("document.querySelectorAll('th:not([scope])').length") == 0
    unlabelled = (
        "[...document.querySelectorAll('[role=img]')]"
        ".filter(e => !document.getElementById(e.getAttribute('aria-labelledby'))).length"
    )
    assert page.run(unlabelled) == 0
    assert page.run("document.querySelectorAll('h1').length") == 1
    ids = page.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
