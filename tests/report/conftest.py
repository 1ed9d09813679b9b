"""What the tests of pages share: small results of each kind, made once, and a browser."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.main import main

DIABETES = ["--dataset", "diabetes", "--n-samples", "20", "--quiet"]
ENGINE = ["--engine", "reference"]


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A folder for what the commands make."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="session")
def run_folder(results):
    """What `train` leaves: 12 rounds of 3 local steps on 4 subnetworks."""
    folder = results / "run"
    options = ["--m", "200", "--p", "4", "--tau", "3", "--rounds", "12", "--record", "subnetworks", *ENGINE]
    assert main(["train", "--out", str(folder), "--diagnostics", "patterns", "movement", *options, *DIABETES]) == 0
    return folder


@pytest.fixture(scope="session")
def study_folder(results):
    """What `study` leaves: a grid of p, xi and eta by two seeds; the largest eta diverges for some."""
    folder = results / "study"
    grid = [
        "--p",
        "1",
        "4",
        "--xi",
        "0.5",
        "1",
        "--eta",
        "0.3",
        "4",
        "--seed",
        "0",
        "1",
        "--width",
        "60",
        "--rounds",
        "20",
    ]
    assert main(["study", "--out", str(folder), *grid, "--tau", "5", "--jobs", "1", *ENGINE, *DIABETES]) == 0
    return folder


@pytest.fixture(scope="session")
def mixed_folder(results):
    """A study whose settings depend on each other: two mask laws of which one has xi, and two datasets."""
    plan = results / "mixed.toml"
    plan.write_text(
        'name = "mixed"\n[[dataset]]\nname = "diabetes"\nn_samples = 20\n[[dataset]]\nname = "synthetic"\n'
        "n_samples = 10\n[settings]\nwidth = 20\nrounds = 4\nn_subnetworks = [2, 4]\n"
        '[[grid]]\nmasks = "bernoulli"\nselection_prob = [0.25, 0.5]\n[[grid]]\nmasks = "categorical"\n'
    )
    folder = results / "mixed"
    assert main(["study", str(plan), "--out", str(folder), "--jobs", "1", "--quiet"]) == 0
    return folder


@pytest.fixture(scope="session")
def reproduction_folder(results):
    """What `reproduce` leaves, with a grid of 2 by 3 and 2 by 2 cells, two seeds each."""
    folder = results / "reproduction"
    grid = ["--bernoulli-subnetworks", "1", "4", "--bernoulli-selection-probs", "0.2", "0.5", "1"]
    grid += ["--categorical-subnetworks", "2", "4", "--categorical-local-steps", "1", "5"]
    small = ["--m", "60", "--rounds", "20", "--seeds", "2", "--dynamics-seeds", "3", "--jobs", "1", *ENGINE]
    assert main(["reproduce", "--out", str(folder), *grid, *small, *DIABETES]) == 0
    return folder


@pytest.fixture(scope="session")
def pages(run_folder, study_folder, reproduction_folder):
    """The page of each kind."""
    folders = {"run": run_folder, "study": study_folder, "reproduction": reproduction_folder}
    return {kind: sl.write_report(folder) for kind, folder in folders.items()}


@pytest.fixture
def saved(tmp_path):
    """``saved(**what)``: a run of one second at most, saved to a file; options are those of `subnetlab.train`."""

    def save(scheme=None, *, y=None, outputs=None, **options):
        X = sl.load_dataset("diabetes", n_samples=6).X
        target = np.linspace(0, 1, 6) if y is None else y
        network = sl.ShallowReLU.initialize(width=40, n_features=X.shape[1], seed=0, n_outputs=outputs)
        scheme = scheme or sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=6, local_steps=2)
        try:
            run = sl.train(network, X, target, scheme, **options)
        except sl.DivergenceError as error:
            run = error.run
        run.save(tmp_path / "run.npz")
        return tmp_path / "run.npz"

    return save


CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.fixture(scope="module")  # Playwright keeps an event loop running, which other tests must not meet
def chromium():
    """The installed Chromium, headless, driven by Playwright; none is ever downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, from the extra 'test'")
    if CHROMIUM is None:
        pytest.skip("needs Chromium (on PATH as chromium, chromium-browser or google-chrome)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """``opened(place, **how)``: a file, without a network, or an address of this machine, once its figures are drawn.

    A Playwright page that also notes its ``requests`` and its ``complaints``; closed at the end.
    """
    contexts = []

    def open_page(place, *, width=1280, scheme="light", touch=False):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=touch, is_mobile=touch
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        served = str(place).startswith("http://127.0.0.1:")
        context.set_offline(not served)
        page = context.new_page()
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console", lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.goto(place if served else Path(place).resolve().as_uri())
        page.wait_for_function("document.documentElement.dataset.drawn === 'yes'")
        return page

    yield open_page
    for context in contexts:
        context.close()
