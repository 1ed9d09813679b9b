"""The explorer in a browser: rounds are drawn as they arrive, every change trains anew, two tabs stand side by side."""

import threading

import pytest

import subnetlab as sl
from subnetlab.core.masks.table import plain_laws

pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")

ENDED = "document.querySelector('#status').textContent.includes(' rounds in ')"
SMALL = "#n_subnetworks=4&local_steps=3&width=200&rounds=20"
MOVE = """(() => {{
    const control = document.querySelector('[name="{name}"]');
    control.value = {value};
    control.dispatchEvent(new Event("input", {{ bubbles: true }}));
}})()"""
PICTURES = "[...document.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL()).join()"


@pytest.fixture(scope="module")
def explorer():
    from subnetlab.report.explore.server import Explorer

    explorer = Explorer(sl.load_dataset("diabetes", n_samples=30), port=0)
    thread = threading.Thread(target=explorer.serve)
    thread.start()
    yield explorer
    explorer.shutdown()
    thread.join(10)


@pytest.fixture
def opened(browser, explorer):
    """``opened(**how)``: a tab with the explorer at work on a small run; closed at the end."""
    tabs = []

    def open_tab(**how):
        tabs.append(browser.open(explorer.url + SMALL, **how))
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.close()


def status(tab):
    return tab.run("document.querySelector('#status').textContent")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_trains_at_once_from_its_own_address_alone(opened, explorer, width, scheme):
    tab = opened(width=width, scheme=scheme)
    tab.wait(ENDED)
    assert status(tab).startswith("20 rounds in ")
    assert tab.complaints == []
    assert all(url.startswith((explorer.url, "data:")) for url in tab.requests)
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run("document.querySelectorAll('#rows tr').length") == 10


def test_a_change_trains_anew_and_redraws(opened):
    tab = opened()
    tab.wait(ENDED)
    before = tab.run(PICTURES)
    tab.run(MOVE.format(name="n_subnetworks", value=0))
    tab.wait(f"location.hash.includes('n_subnetworks=1&') && {ENDED}")
    assert (
        tab.run("document.querySelector('[name=n_subnetworks]').closest('label').querySelector('.value').textContent")
        == "1"
    )
    assert tab.run("document.querySelector('[name=n_subnetworks]').getAttribute('aria-valuetext')") == "1"
    tab.wait(f"({PICTURES}) !== {before!r}")
    assert tab.complaints == []


def test_a_kept_run_stays_in_the_picture(opened):
    tab = opened()
    tab.wait(ENDED)
    before = tab.run(PICTURES)
    tab.run("document.querySelector('#keep').click()")
    tab.run(MOVE.format(name="seed", value=3))
    tab.wait(f"location.hash.includes('seed=3') && {ENDED}")
    tab.run("new Promise((done) => setTimeout(done, 200))")
    with_kept = tab.run(PICTURES)
    tab.run("document.querySelector('#keep').click()")
    tab.wait(f"({PICTURES}) !== {with_kept!r}")
    assert with_kept != before


def test_a_run_that_diverges_says_so(opened):
    tab = opened()
    tab.run(MOVE.format(name="step_size", value=12))
    tab.wait("document.querySelector('#status').textContent.startsWith('diverged in round ')")
    assert tab.run("document.querySelector('#status').className") == "bad"


def test_controls_without_a_meaning_are_disabled(opened):
    tab = opened()
    tab.run(MOVE.format(name="masks", value=plain_laws().index("categorical")))
    assert tab.run("document.querySelector('[name=selection_prob]').disabled") is True
    tab.run(MOVE.format(name="masks", value=plain_laws().index("all")))
    assert tab.run("document.querySelector('[name=n_subnetworks]').disabled") is True
    tab.wait(f"location.hash.includes('masks=all') && {ENDED}")


def test_stop_and_two_tabs(opened, explorer):
    first, second = opened(), opened()
    first.run(MOVE.format(name="rounds", value=6))  # 1,000 of them
    first.wait("document.querySelector('#status').textContent.startsWith('round ')")
    second.wait(ENDED)
    first.run("document.querySelector('#stop').click()")
    assert status(first).startswith("stopped after ")
    assert status(second).startswith("20 rounds in ")


def test_an_explorer_that_has_gone_is_said(browser):
    from subnetlab.report.explore.server import Explorer

    explorer = Explorer(sl.load_dataset("diabetes", n_samples=30), port=0)
    thread = threading.Thread(target=explorer.serve)
    thread.start()
    tab = browser.open(explorer.url + SMALL)
    tab.wait(ENDED)
    explorer.shutdown()
    thread.join(10)
    tab.run(MOVE.format(name="seed", value=1))
    tab.wait("document.querySelector('#status').className === 'bad'")
    assert status(tab).startswith("The explorer does not answer any more")
    tab.close()
