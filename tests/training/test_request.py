"""One request holds every setting: whoever offers settings of a run offers these, with these defaults."""

import inspect
from dataclasses import fields, replace

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.study import Cell, DatasetSpec, module_cell
from subnetlab.study.cell import ADDED
from subnetlab.training import RunRequest, RunSettings
from subnetlab.training.loop import TRAINERS
from subnetlab.training.request import RunOptions

X, Y = np.eye(3), np.ones(3)
NETWORK = sl.ShallowReLU.initialize(10, 3)
OUTSIDE = {"compare", "progress", "on_round"}  # of `train` alone: what is done beside the run


def test_train_takes_what_a_request_takes():
    def parameters(function):
        return {name: p.default for name, p in inspect.signature(function).parameters.items()}

    offered = {name: default for name, default in parameters(sl.train).items() if name not in OUTSIDE}
    assert offered == parameters(RunRequest)


@pytest.mark.parametrize("kind", [RunRequest, RunSettings, Cell])
def test_options_are_declared_once(kind):
    assert {option.name for option in fields(RunOptions)} <= {option.name for option in fields(kind)}
    assert not {option.name for option in fields(RunOptions)} & kind.__annotations__.keys()


def test_an_option_reaches_the_run_from_everywhere():
    options = {"seed": 3, "engine": "dual", "dtype": "float32", "record": "rounds", "learn_output_weights": True}
    scheme = sl.gradient_descent(2, 0.1)
    request = RunRequest(NETWORK, X, Y, scheme, **options)
    cell = Cell(DatasetSpec("synthetic", n_samples=5), 10, 2, masks="all", **options)
    everywhere = [
        request.resolve(),
        sl.TrainingSession(NETWORK, X, Y, scheme, **options).settings,
        sl.TrainingSession.from_request(request).settings,
        sl.train(NETWORK, X, Y, scheme, **options).settings,
        cell,
    ]
    for settings in everywhere:
        assert {name: getattr(settings, name) for name in options} == options


def test_an_option_that_is_new_leaves_the_keys_of_stored_cells_alone():
    first = {"seed", "engine", "dtype", "record", "diagnostics"}
    assert {option.name for option in fields(RunOptions)} - first == ADDED.keys() - {
        "compare",
        "network",
        *module_cell.SETTINGS,
    }


def test_another_kind_of_network_is_a_line_in_a_table(monkeypatch):
    class Constant:
        """A kind that learns nothing."""

    place = (__name__, "train_constant")
    monkeypatch.setitem(TRAINERS, f"{Constant.__module__}.{Constant.__qualname__}", place)
    assert sl.train(Constant(), X, Y, sl.gradient_descent(2), seed=3) == ("trained", 3)


def train_constant(network, X, y, scheme, *, seed):
    return "trained", seed


def test_a_changed_request_is_checked_again(refused):
    request = RunRequest(NETWORK, X, Y, sl.gradient_descent(2), sample_weight=[1, 2, 3])
    assert replace(request, seed=4).data.sample_weight.tolist() == [1, 2, 3]
    with refused(ValueError, "train: seed must be at least 0, got -1"):
        replace(request, seed=-1)
