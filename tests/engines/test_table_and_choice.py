"""The table of engines: names, capabilities, refusals, the automatic choice."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.base import Problem
from subnetlab.engines.choice import choose_engine
from subnetlab.engines.table import ENGINES, check_capabilities, create, needed_capabilities

X, Y = np.eye(3), np.ones(3)
PLAIN = Problem(X, Y, np.ones(4), selection_prob=1.0)
SCHEME = sl.gradient_descent(2)


def test_a_plain_request_needs_nothing():
    assert needed_capabilities(PLAIN, SCHEME, "float64") == set()


@pytest.mark.parametrize(
    ("problem", "scheme", "dtype", "needed"),
    [
        (PLAIN, SCHEME, "float32", {"float32"}),
        (PLAIN, sl.TrainingScheme(sl.AllNeurons(), 2, shards=1), "float64", {"shards"}),
        (PLAIN, sl.TrainingScheme(sl.AllNeurons(), 2, batch_size=1), "float64", {"minibatches"}),
        (Problem(X, np.ones((3, 1)), np.ones((4, 1)), 1.0), SCHEME, "float64", {"outputs"}),
        (Problem(X, Y, np.ones(4), 1.0, sample_weight=np.ones(3)), SCHEME, "float64", {"sample_weight"}),
        (Problem(X, Y, np.ones(4), 1.0, loss="logistic"), SCHEME, "float64", {"losses"}),
        (Problem(X, Y, np.ones(4), 1.0, learn_signs=True), SCHEME, "float64", {"learned_signs"}),
    ],
)
def test_what_a_request_needs(problem, scheme, dtype, needed):
    assert needed_capabilities(problem, scheme, dtype) == needed


@pytest.mark.parametrize("name", ENGINES)
def test_every_entry_of_the_table_is_what_it_says(name):
    entry = ENGINES[name]
    assert entry.version >= 1
    assert entry.summary
    try:
        engine = create(name, PLAIN, dtype="float64", threads=1)
    except ImportError as error:
        pytest.skip(str(error))
    assert type(engine.engine).__name__ == entry.class_name
    for method in ("start", "round", "weights", "full_error", "snapshot", "restore"):
        assert callable(getattr(engine, method))


def test_lacking_capabilities_are_refused_naming_the_engines_that_can(refused):
    check_capabilities("reference", {"outputs", "sample_weight", "shards", "minibatches"})
    able = ", ".join(name for name, entry in ENGINES.items() if "float32" in entry.capabilities)
    with refused(ValueError, f"train: engine 'reference' does not support float32; engines that can: {able}"):
        check_capabilities("reference", {"float32", "shards"})
    with refused(ValueError, "train: engine 'reference' does not support bias, float32; no engine can yet"):
        check_capabilities("reference", {"bias", "float32"})


@pytest.mark.parametrize(
    "call", [lambda: check_capabilities("x", set()), lambda: create("x", PLAIN, dtype="float64", threads=1)]
)
def test_unknown_engines_are_refused(call, refused):
    with refused(ValueError, f"train: engine must be 'auto' or one of {', '.join(ENGINES)}, got 'x'"):
        call()


def test_the_choice_fits_the_need():
    for needed in (set(), {"float32"}, {"outputs"}, {"sample_weight", "shards"}):
        assert needed <= ENGINES[choose_engine(needed)].capabilities


def test_no_engine_for_impossible_needs(refused):
    with refused(ValueError, "train: no engine supports bias, float32 together"):
        choose_engine({"bias", "float32"})
