"""Old names of arguments and attributes: they do what the new ones do, and warn where the caller stands."""

import pickle

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.core.renamed import renamed_arguments
from subnetlab.study import Cell, DatasetSpec, StudyPlan

X, Y = np.eye(3), np.ones(3)
NETWORK = sl.ShallowReLU.initialize(10, 3)
CELL = Cell(DatasetSpec("synthetic", n_samples=6), width=10, rounds=3, n_subnetworks=2, selection_prob=0.5)
PLAN = {"dataset": {"name": "diabetes"}, "settings": {"width": 9, "rounds": 2, "masks": "all"}}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            lambda: sl.train(NETWORK, X, Y, sl.gradient_descent(2), learn_signs=True).settings,
            lambda: sl.train(NETWORK, X, Y, sl.gradient_descent(2), learn_output_weights=True).settings,
        ),
        (
            lambda: sl.TrainingSession(NETWORK, X, Y, sl.gradient_descent(2), learn_signs=True).settings,
            lambda: sl.TrainingSession(NETWORK, X, Y, sl.gradient_descent(2), learn_output_weights=True).settings,
        ),
        (
            lambda: Cell(CELL.dataset, 10, 3, masks="all", learn_signs=True),
            lambda: Cell(CELL.dataset, 10, 3, masks="all", learn_output_weights=True),
        ),
        (lambda: CELL.learn_signs, lambda: CELL.learn_output_weights),
        (
            lambda: StudyPlan.from_dict(PLAN, settings={"learn_signs": [True, False]}).cells,
            lambda: StudyPlan.from_dict(PLAN, settings={"learn_output_weights": [True, False]}).cells,
        ),
        (
            lambda: StudyPlan.from_dict({**PLAN, "grid": [{"learn_signs": True}]}).cells,
            lambda: StudyPlan.from_dict({**PLAN, "grid": [{"learn_output_weights": True}]}).cells,
        ),
    ],
)
def test_old_names_do_what_the_new_ones_do(old, new):
    with pytest.warns(DeprecationWarning, match="learn_signs is now learn_output_weights") as caught:
        given = old()
    assert given == new()
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    "old", [lambda: sl.ShallowReLU(X, signs=Y).output_weights, lambda: sl.ShallowReLU(X, Y).signs], ids=["in", "out"]
)
def test_signs_are_output_weights(old):
    with pytest.warns(DeprecationWarning, match="ShallowReLU: signs is now output_weights") as caught:
        assert old().tolist() == Y.tolist()
    assert [warning.filename for warning in caught] == [__file__]


def test_a_network_that_was_pickled_under_the_old_name_is_read():
    """As pickle does: the attributes, put into an empty object."""
    older = {"weights": NETWORK.weights, "signs": NETWORK.output_weights}
    network = sl.ShallowReLU.__new__(sl.ShallowReLU)
    network.__setstate__(older)
    assert network.output(X).tobytes() == NETWORK.output(X).tobytes()
    again = pickle.loads(pickle.dumps(NETWORK))
    assert again.output(X).tobytes() == NETWORK.output(X).tobytes()


def test_both_names_at_once_are_refused():
    @renamed_arguments(colour="color")
    def paint(color):
        return color

    assert paint(color=1) == paint(1) == 1
    with pytest.raises(TypeError, match="paint: color must be given once, got colour, its old name, too"):
        paint(color=1, colour=2)
