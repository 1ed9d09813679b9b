"""A live run of a module has the numbers of train(), and the explorer shows its layers."""

import threading
from collections import OrderedDict
from urllib.parse import parse_qs

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")

import subnetlab as sl  # noqa: E402
from subnetlab.cli.main import main  # noqa: E402
from subnetlab.report.explore.live_module import module_subject  # noqa: E402
from subnetlab.report.explore.server import Explorer  # noqa: E402
from subnetlab.report.explore.settings import ModuleSettings, read_settings  # noqa: E402

EVIL = "<img src=x onerror=alert(1)>'&</script>"
SETTINGS = ModuleSettings(n_subnetworks=3, rounds=4, local_steps=2, batch_size=16, seed=5)


def network():
    """Two cut layers, the first of an evil name."""
    torch.manual_seed(0)
    layers = [(EVIL, torch.nn.Linear(64, 12)), ("act", torch.nn.ReLU())]
    layers += [("second", torch.nn.Linear(12, 8)), ("act2", torch.nn.ReLU()), ("out", torch.nn.Linear(8, 10))]
    return torch.nn.Sequential(OrderedDict(layers))


@pytest.fixture(scope="module")
def data():
    return sl.load_dataset("digits", n_samples=100)


@pytest.fixture(scope="module")
def subject(data):
    return module_subject(network(), data)


def test_the_events_are_the_history_of_train(subject, data):
    start, *rounds, end = subject.events(SETTINGS)
    run = sl.train(
        sl.cut(network(), torch.zeros(2, 64)),
        data.X,
        data.y,
        SETTINGS.scheme(),
        seed=5,
        evaluate_every=1,
        diagnostics=("movement",),
    )
    losses = [start["full_error"], *(event["errors"][-1] for event in rounds)]
    np.testing.assert_allclose(losses, run.history.full_loss, rtol=1e-12)
    np.testing.assert_array_equal([event["errors"][:2] for event in rounds], run.history.local_loss)
    assert [event["errors"][2] for event in rounds] == [None] * 4  # the loss after the last step is not measured
    for group in run.cut.groups:
        moved = [event["layers"]["movement"][group] for event in rounds]
        assert moved == run.history.metrics[f"movement.{group}"][1:].tolist()
        held = [event["layers"]["held"][group] for event in rounds]
        assert held == [run.training.masks(k)[group].any(axis=0).mean() for k in range(4)]
    assert (start["measure"], end["event"]) == ("loss", "end")


def test_batch_norm_is_measured_as_train_measures_it(data):
    """Its running statistics are those that the subnetworks left, in the explorer as in the history."""

    def normed():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            *(torch.nn.Linear(64, 12), torch.nn.BatchNorm1d(12), torch.nn.ReLU(), torch.nn.Linear(12, 10))
        )

    start, *rounds, _ = module_subject(normed(), data).events(SETTINGS)
    cut = sl.cut(normed(), torch.zeros(2, 64))
    run = sl.train(cut, data.X, data.y, SETTINGS.scheme(), seed=5, evaluate_every=1)
    losses = [start["full_error"], *(event["errors"][-1] for event in rounds)]
    np.testing.assert_allclose(losses, run.history.full_loss, rtol=1e-12)
    np.testing.assert_array_equal([event["errors"][:2] for event in rounds], run.history.local_loss)


def test_two_runs_at_once_have_the_numbers_that_each_has_alone(subject):
    alone, together = list(subject.events(SETTINGS))[:-1], []
    threads = [threading.Thread(target=lambda: together.append(list(subject.events(SETTINGS))[:-1])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [alone, alone]


def test_a_run_that_diverges_ends_with_the_reason(subject):
    *_, last = subject.events(ModuleSettings(step_size=1e30, rounds=20))
    assert last["event"] == "diverged"
    assert last["message"].startswith("diverged in round ")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("step_size=auto", "explore: step_size must be a number, got 'auto'"),
        ("width=3", "explore: 'width' is no setting; there are: masks, n_subnetworks, "),
    ],
)
def test_what_a_module_has_not_is_refused(query, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        read_settings(parse_qs(query), ModuleSettings)
    assert str(refusal.value).startswith(message)


def test_numbers_to_predict_are_taken_by_the_squared_error():
    data = sl.load_dataset("diabetes", n_samples=20)
    model = torch.nn.Sequential(torch.nn.Linear(10, 6), torch.nn.ReLU(), torch.nn.Linear(6, 1), torch.nn.Flatten(0))
    start, *_ = module_subject(model, data).events(SETTINGS)
    expected = np.mean((model(torch.tensor(data.X, dtype=torch.float32)).detach().numpy() - data.y) ** 2)
    assert start["full_error"] == pytest.approx(expected, rel=1e-5)


def test_the_page_draws_the_layers_and_runs_no_name(opened, subject):
    explorer = Explorer(subject, port=0)
    thread = threading.Thread(target=explorer.serve)
    thread.start()
    try:
        for width in (1280, 390):
            tab = opened(explorer.url + "#rounds=10&local_steps=3&batch_size=16", width=width)
            tab.locator("#status", has_text="10 rounds in ").wait_for()
            for figure in ("movement", "held"):
                cells = f"document.querySelectorAll('#{figure} .mark-rect.role-mark path').length"
                tab.wait_for_function(f"{cells} === 2 * 10")
            assert tab.locator("#held .role-axis-label", has_text="<img").count() == 1
            assert tab.locator("img").count() == 0
            assert tab.locator("[name=width]").count() == 0
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.complaints == []
    finally:
        explorer.shutdown()
        thread.join(10)


OWN = """
import torch
def net():
    return torch.nn.Sequential(torch.nn.Linear(64, 6), torch.nn.ReLU(), torch.nn.Linear(6, 10))
def wrong():
    return torch.nn.Linear(3, 10)
"""


def test_the_command_takes_a_network_by_its_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "live_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    pages = []

    def seen(explorer):
        pages.append(explorer.files["/"].content.decode())
        explorer.server_close()

    monkeypatch.setattr(Explorer, "serve", seen)
    options = ["--dataset", "digits", "--n-samples", "50", "--port", "0"]
    assert main(["explore", "--model", "live_nets:net", *options]) == 0
    assert "digits: 50 rows; 1 groups of units" not in pages[0] and "digits: 50 rows; 1 group of units" in pages[0]
    capsys.readouterr()
    for name, message in {
        "absent": "explore: --model must be module:Name of a function that makes the network, got 'live_nets:absent'",
        "wrong": "explore: data must be inputs that the network takes, got float32 of shape (2, 64)",
    }.items():
        assert main(["explore", "--model", f"live_nets:{name}", *options]) == 2
        assert capsys.readouterr().err.startswith(f"subnetlab {message}")
    assert main(["explore", *options]) == 2  # class labels are for modules
