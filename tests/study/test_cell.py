"""Cells: their rules, and the hash that decides whether a result may be used again."""

import sys
import types
from dataclasses import dataclass, replace

import numpy as np
import pytest

import subnetlab as sl
import subnetlab.engines.table as engine_table
from subnetlab.study.cell import Cell
from subnetlab.study.data import DatasetSpec, StudyData

CELL = Cell(DatasetSpec("synthetic", n_samples=6), width=10, rounds=3, n_subnetworks=2, selection_prob=0.5)

CHANGES = {
    "width": 11,
    "rounds": 4,
    "n_subnetworks": 3,
    "selection_prob": 0.25,
    "local_steps": 2,
    "step_size": 0.1,
    "init_scale": 2.0,
    "network_seed": 1,
    "unselected": "zero",
    "shards": 2,
    "batch_size": 3,
    "engine": "reference",
    "dtype": "float32",
    "seed": 1,
    "record": "subnetworks",
    "diagnostics": ("movement",),
    "curves": "float64",
    "loss": "logistic",
    "learn_output_weights": True,
    "compare": "linearized",
}


@pytest.fixture
def data(monkeypatch):
    """Six rows with two classes and a digest that no rounding can change."""
    found = StudyData(np.eye(6), np.arange(6) % 2.0, None, "diabetes", "0" * 64)
    monkeypatch.setattr(DatasetSpec, "load", lambda spec: found)
    return DatasetSpec("diabetes", n_samples=6)


def test_every_setting_changes_the_key(data):
    keys = {replace(CELL, **{name: value}).key() for name, value in CHANGES.items()}
    keys.add(replace(CELL, masks="categorical", selection_prob=None).key())
    assert len(keys | {CELL.key()}) == len(CHANGES) + 2


def test_keys_of_the_first_release(data):
    """Computed by version 0.1.0: results that it stored must be found."""
    two = Cell(data, width=10, rounds=3, n_subnetworks=2, selection_prob=0.5, engine="primal")
    assert two.key() == "1f3ab2620530ede61ee21fb32109b9bee706245c8a1c50b86cec32c66bfa3277"
    parts = {"masks": "categorical", "selection_prob": None, "step_size": 0.1, "diagnostics": ("movement",)}
    learned = replace(two, engine="dual", loss="logistic", learn_output_weights=True)
    assert learned.stored_settings()["learn_signs"] is True  # its name in files
    assert learned.key() == "e16d7a4c81fd6cc1b6ea6d9eb2c4a185716d90d238d900f6f1b0da26081dc516"
    assert Cell.from_settings(learned.stored_settings()) == learned
    other = replace(two, seed=3, network_seed="seed", engine="reference", **parts)
    assert other.key() == "821b1ea201cd2d0ad1b0081cb16774e89b0512e648b285cfa49166d9c88c7e1f"


def test_the_store_keeps_added_settings_only_where_they_differ():
    assert not {"loss", "learn_output_weights", "compare", "device"} & CELL.stored_settings().keys()
    other = replace(CELL, loss="logistic")
    assert other.stored_settings() == CELL.stored_settings() | {"loss": "logistic"}
    assert Cell.from_settings(other.stored_settings()) == other


def test_a_network_of_its_own_for_each_seed():
    cells = [replace(CELL, seed=seed, network_seed="seed") for seed in range(3)]
    assert [cell.own_network_seed for cell in cells] == [0, 1, 2]
    assert [cell.key() for cell in cells] == [replace(CELL, seed=s, network_seed=s).key() for s in range(3)]
    assert Cell.from_settings(cells[2].settings()) == cells[2]


@pytest.mark.parametrize("change", [{"seed": 1}, {"n_samples": 7}, {"smallest_eigenvalue": 0.2}, {"scaling": "raw"}])
def test_the_key_follows_the_content_of_the_data(change):
    other = replace(CELL, dataset=replace(CELL.dataset, **change))
    assert (other.key() == CELL.key()) == (change == {"scaling": "raw"})


def test_the_key_does_not_depend_on_where_a_file_lies(tmp_path):
    text = "a,b,y\n1,2,3\n2,1,4\n0,1,5\n"
    cells = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.csv").write_text(text)
        cells.append(replace(CELL, dataset=DatasetSpec(str(tmp_path / folder / "mine.csv"), target="y")))
    assert cells[0].key() == cells[1].key()
    (tmp_path / "two" / "changed.csv").write_text(text.replace("5", "6"))
    assert replace(CELL, dataset=DatasetSpec(str(tmp_path / "two" / "changed.csv"), target="y")).key() != cells[0].key()


def test_whole_numbers_and_floats_are_one_setting():
    assert replace(CELL, init_scale=1).key() == CELL.key()
    assert replace(CELL, init_scale=1, selection_prob=1) == replace(CELL, selection_prob=1.0)


def test_auto_means_the_engine_that_it_chooses():
    key, resolved = CELL.identified()
    assert resolved.engine != "auto"
    assert resolved.key() == key


def test_a_new_engine_version_gives_a_new_key(monkeypatch):
    before = CELL.key()
    name = CELL.resolved().engine
    entry = engine_table.ENGINES[name]
    monkeypatch.setitem(engine_table.ENGINES, name, replace(entry, version=entry.version + 1))
    assert CELL.key() != before


def test_settings_and_back():
    for name, value in CHANGES.items():
        cell = replace(CELL, **{name: value})
        assert Cell.from_settings(cell.settings()) == cell


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": "categorical"}, "selection_prob must be absent for masks 'categorical'"),
        ({"selection_prob": None}, "selection_prob must be given for masks 'bernoulli'"),
        ({"masks": "fixed"}, "masks must be one of"),
        ({"masks": "bernouli"}, "masks must be one of"),
        ({"selection_prob": 1.2}, r"must be in \(0, 1\], got 1.2"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"engine": "warp"}, "engine must be one of"),
        ({"curves": "float16"}, "curves must be one of"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"network_seed": -1}, "network_seed must be at least 0"),
        ({"network_seed": "sead"}, "network_seed must be a whole number or 'seed', got 'sead'"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"compare": "dual"}, "compare must be one of"),
        ({"device": "tpu"}, "device must be one of"),
        ({"record": "none"}, "record must be one of"),
        ({"loss": "logistic", "step_size": "theory"}, "got 'theory', which covers the squared loss and fixed signs"),
        (
            {"learn_output_weights": True, "step_size": "theory"},
            "got 'theory', which covers the squared loss and fixed signs",
        ),
    ],
)
def test_rules(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CELL, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 7}, "batch_size must be at most the number of rows 6"),
        ({"loss": "logistic"}, r"y must be in \[0, 1\] for the logistic loss"),
        ({"learn_output_weights": True, "engine": "event"}, "'event' does not support learned_signs; engines that can"),
        ({"learn_output_weights": True, "compare": "linearized"}, "'linearized' does not support learned_signs"),
        ({"device": "cuda", "engine": "primal"}, "'primal' does not run on device 'cuda'; engines that do: torch"),
    ],
)
def test_what_cannot_be_is_refused_when_the_cell_is_resolved(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CELL, **change).resolved()


def test_auto_chooses_an_engine_that_can():
    assert replace(CELL, learn_output_weights=True).resolved().engine in ("reference", "dual", "minibatch")
    assert replace(CELL, compare="linearized", dtype="float32").resolved().compare == "linearized"


def test_an_own_law_that_draws_no_masks_is_refused_before_any_cell_is_trained(monkeypatch):
    @dataclass(frozen=True)
    class Halves(sl.Bernoulli):
        """Gives one half in the place of each mask's True or False."""

        def sample(self, seed, round, width):
            return super().sample(seed, round, width) * 0.5

    Halves.__module__, Halves.__qualname__ = "own_laws_of_this_test", "Halves"
    module = types.ModuleType("own_laws_of_this_test")
    setattr(module, "Halves", Halves)  # noqa: B010
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(ValueError, match="Halves: must draw masks of bool of shape"):
        replace(CELL, masks="own_laws_of_this_test:Halves").resolved()
