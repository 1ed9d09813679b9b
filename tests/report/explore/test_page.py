"""The explorer in a browser: rounds are drawn as they arrive, every change trains anew, two tabs stand side by side."""

import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

import subnetlab as sl
from subnetlab.core.masks.table import plain_laws
from subnetlab.report.explore.live import shallow_subject
from subnetlab.report.explore.settings import STOPS
from subnetlab.training import TrainingSession

pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")

SMALL = "#n_subnetworks=4&local_steps=3&width=200&rounds=20"
POINTS = "#inside [data-plot=detail] .mark-symbol path"


@contextmanager
def served(subject):
    from subnetlab.report.explore.server import Explorer

    explorer = Explorer(subject, port=0)
    thread = threading.Thread(target=explorer.serve)
    thread.start()
    try:
        yield explorer
    finally:
        explorer.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def data():
    return sl.load_dataset("diabetes", n_samples=30)


@pytest.fixture(scope="module")
def explorer(data):
    with served(shallow_subject(data)) as explorer:
        yield explorer


def wait_for_status(tab, words):
    tab.locator("#status", has_text=words).wait_for()
    return tab.locator("#status").text_content()


def move(tab, name, value):
    control = tab.locator(f"#settings [name={name}]")
    if name == "masks":
        control.select_option(label=value)
    else:
        control.fill(str(STOPS[name].index(value)))


def drawing(tab):
    return tab.evaluate("[...document.querySelectorAll('.plot svg')].map((svg) => svg.outerHTML).join()")


def wait_for_another(tab, before):
    tab.wait_for_function(
        "before => [...document.querySelectorAll('.plot svg')].map((svg) => svg.outerHTML).join() !== before",
        arg=before,
    )


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_trains_at_once_from_its_own_address_alone(opened, explorer, width, scheme):
    tab = opened(explorer.url + SMALL, width=width, scheme=scheme)
    assert wait_for_status(tab, " rounds in ").startswith("20 rounds in ")
    assert tab.complaints == []
    assert all(url.startswith((explorer.url, "data:")) for url in tab.requests)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.wait_for_function("document.querySelectorAll('#rows tr').length === 10")


def test_rounds_come_first_and_their_steps_by_window(opened, explorer):
    """Of 200 rounds of 10 steps six are seen inside; of many rounds at once the ends of local training."""
    tab = opened(explorer.url + "#width=200&rounds=200&local_steps=10&n_subnetworks=4")
    wait_for_status(tab, "200 rounds in ")
    count = f"document.querySelectorAll('{POINTS}').length"
    tab.wait_for_function(f"{count} > 12 * 6 && {count} <= 12 * 8 + 1")  # the neighbours, too
    tab.locator("#inside [name=shown]").fill("199")
    tab.wait_for_function(f"{count} === 3 * 200 + 1")
    tab.locator("#inside [name=shown]").fill("19")
    tab.wait_for_function(f"{count} >= 12 * 20")
    assert tab.complaints == []


def test_a_change_trains_anew_and_redraws(opened, explorer):
    tab = opened(explorer.url + SMALL)
    wait_for_status(tab, " rounds in ")
    before = drawing(tab)
    move(tab, "n_subnetworks", 1)
    tab.wait_for_url("**n_subnetworks=1&**")
    wait_for_status(tab, " rounds in ")
    control = tab.locator("[name=n_subnetworks]")
    assert control.get_attribute("aria-valuetext") == "1"
    assert tab.locator("label", has=control).locator(".value").text_content() == "1"
    wait_for_another(tab, before)
    assert tab.complaints == []


def test_a_kept_run_stays_in_the_picture(opened, explorer):
    tab = opened(explorer.url + SMALL)
    wait_for_status(tab, " rounds in ")
    kept = "document.querySelectorAll('#inside [data-plot=overview] .mark-line path[stroke=\"var(--band)\"]').length"
    assert tab.evaluate(kept) == 0
    tab.locator("#keep").click()
    move(tab, "local_steps", 8)  # whatever is changed, the kept run stays as it was
    tab.wait_for_url("**local_steps=8**")
    wait_for_status(tab, " rounds in ")
    tab.wait_for_function(f"{kept} === 1")
    inside = "document.querySelector('#inside [data-plot=detail] .mark-line path[stroke=\"var(--band)\"]')"
    assert tab.evaluate(f"{inside}.getAttribute('d').split('L').length") == 1 + 7 * (3 + 2)
    tab.locator("#keep").click()
    tab.wait_for_function(f"{kept} === 0")


def test_a_run_that_diverges_says_so(opened, explorer):
    tab = opened(explorer.url + SMALL)
    move(tab, "step_size", 5)
    wait_for_status(tab, "diverged in round ")
    assert "bad" in tab.locator("#status").get_attribute("class")


def test_controls_without_a_meaning_are_disabled(opened, explorer):
    tab = opened(explorer.url + SMALL)
    assert tab.locator("[name=masks] option").all_text_contents() == list(plain_laws())
    move(tab, "masks", "categorical")
    assert tab.locator("[name=selection_prob]").is_disabled()
    move(tab, "masks", "all")
    assert tab.locator("[name=n_subnetworks]").is_disabled()
    tab.wait_for_url("**masks=all**")
    wait_for_status(tab, " rounds in ")


def test_stop_and_two_tabs(opened, explorer, monkeypatch):
    """The long run waits in the middle, so that it is not over before it is stopped."""
    stopped, advance = threading.Event(), TrainingSession.advance

    def waiting(session):
        if session.rounds_done == 300:
            stopped.wait()
        return advance(session)

    monkeypatch.setattr(TrainingSession, "advance", waiting)
    first, second = opened(explorer.url + SMALL), opened(explorer.url + SMALL)
    try:
        move(first, "rounds", 1000)
        wait_for_status(first, " of 1000")
        wait_for_status(second, " rounds in ")
        first.locator("#stop").click()
        assert wait_for_status(first, "stopped after ").startswith("stopped after ")
    finally:
        stopped.set()
    assert wait_for_status(second, " rounds in ").startswith("20 rounds in ")


def test_an_explorer_that_has_gone_is_said(opened, data):
    with served(shallow_subject(data)) as explorer:
        tab = opened(explorer.url + SMALL)
        wait_for_status(tab, " rounds in ")
    move(tab, "seed", 1)
    wait_for_status(tab, "The explorer does not answer any more")
    assert "bad" in tab.locator("#status").get_attribute("class")


def test_names_of_data_cannot_become_markup(opened, data):
    evil = "<img src=x onerror=alert(1)>\"'&</script>"
    with served(shallow_subject(replace(data, name=evil))) as explorer:
        tab = opened(explorer.url + SMALL)
        wait_for_status(tab, " rounds in ")
        assert tab.locator("img").count() == 0
        assert tab.locator(".headline").text_content().startswith(evil)
        assert tab.complaints == []
