"""The networks of cells as texts: read without evaluating anything, and nothing of a file is imported."""

import sys

import pytest

from subnetlab.study import Cell, DatasetSpec, Store, StudyPlan, execute, open_study
from subnetlab.study.networks import NetworkText, import_network

pytest.importorskip("torch")

OWN = """
from torch import nn

def make(inputs, outputs, width=3):
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))
"""


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("shallow", "shallow"),
        ("cnn()", "cnn"),
        ("mlp(64,64)", "mlp(64, 64)"),
        ("resnet(16,blocks = 4)", "resnet(16, blocks=4)"),
        ("mine.nets:make('wide', deep=[1, 2])", "mine.nets:make('wide', deep=[1, 2])"),
    ],
)
def test_a_text_has_one_form(text, canonical):
    assert str(NetworkText.parsed(text)) == canonical
    assert NetworkText.parsed(canonical) == NetworkText.parsed(text)


@pytest.mark.parametrize(
    "text", ["", "mlp(", "mlp(3)(4)", "mlp(3) + 1", "mlp(x)", "mlp(*[3])", "mlp(**{'a': 1})", "mlp(__import__('os'))"]
)
def test_what_is_no_plain_value_is_refused(text):
    with pytest.raises(ValueError, match=r"^Cell: network must be 'shallow', a name with settings"):
        NetworkText.parsed(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vgg", "Cell: network must be one of 'shallow', 'mlp', 'cnn', 'resnet', 'transformer', got 'vgg'"),
        ("mlp(0)", "Cell: network must have settings that are whole numbers of at least 1, got 'mlp(0)'"),
        (
            "cnn(depth=3)",
            "Cell: network must have settings that cnn takes, got 'cnn(depth=3)' (got an unexpected keyword argument "
            "'depth')",
        ),
    ],
)
def test_networks_of_this_package_say_what_they_take(text, message, refused):
    with refused(ValueError, message):
        NetworkText.parsed(text).factory()


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("own_nets", None)  # another test's
    yield
    sys.modules.pop("own_nets", None)


SETTINGS = {"rounds": 2, "selection_prob": 0.5, "n_subnetworks": 2, "step_size": 0.1}


def test_a_file_imports_nothing(own_module):
    settings = {"dataset": "synthetic", "n_samples": 6, "width": None, "network": "own_nets:make(4)", **SETTINGS}
    with pytest.raises(ValueError, match=r"^Cell: network must be a function that is loaded, got 'own_nets:make'"):
        Cell.from_settings(settings)
    assert "own_nets" not in sys.modules
    import_network("own_nets:make(4)")
    assert Cell.from_settings(settings).network == "own_nets:make(4)"


def test_a_plan_names_networks_of_ones_own(own_module, tmp_path):
    """They are imported, and worker processes that know nothing of them train them; the same again trains nothing."""
    content = {
        "dataset": {"name": "synthetic", "n_samples": 6},
        "settings": {**SETTINGS, "network": ["own_nets:make", "own_nets:make(4)", "mlp(3)"]},
    }
    plan = StudyPlan.from_dict(content)
    with Store(tmp_path / "out") as store:
        assert execute(plan.cells, store, jobs=1).ok == 3
        again = execute(plan.cells, store, jobs=1)
        assert (again.ok, again.reused) == (3, 3)
    table = open_study(tmp_path / "out").table()
    own, _, ours = table.full_error.values
    assert table.network.values.tolist() == ["mlp(3)", "own_nets:make", "own_nets:make(4)"]
    assert (own == table.full_error.sel(network="own_nets:make").values).all()  # the same layers, the same seed
    assert ours.shape == own.shape


def test_a_module_that_cannot_be_imported_is_named():
    content = {
        "dataset": {"name": "synthetic", "n_samples": 6},
        "settings": {**SETTINGS, "network": "nowhere_at_all:make"},
    }
    with pytest.raises(ValueError, match=r"^plan: settings.network: Cell: network must be in a module that can be"):
        StudyPlan.from_dict(content)


def test_a_network_of_ones_own_must_take_what_it_is_given(own_module):
    import_network("own_nets:make")
    with pytest.raises(ValueError, match="settings that own_nets:make takes"):
        Cell(DatasetSpec("synthetic", n_samples=6), None, network="own_nets:make(1, 2)", **SETTINGS)
