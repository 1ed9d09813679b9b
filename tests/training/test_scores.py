"""Scores of runs against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error

import subnetlab as sl
from subnetlab.training.scores import predicted, run_scores


def trained(y, loss="squared", held_out=8):
    X = np.random.default_rng(0).normal(size=(len(y), 4))
    net = sl.ShallowReLU.initialize(width=40, n_features=4, n_outputs=np.shape(y)[1] if np.ndim(y) == 2 else None)
    n = len(y) - held_out
    validation = (X[n:], y[n:]) if held_out else None
    scheme = sl.dropout(0.5, rounds=5)
    return sl.train(net, X[:n], y[:n], scheme, loss=loss, validation=validation)


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_r2_and_rmse_are_those_of_scikit_learn(n_outputs):
    y = np.random.default_rng(1).normal(size=30 if n_outputs is None else (30, n_outputs))
    run = trained(y)
    found = run_scores(run)
    for name, X, y in (
        ("training", run.data.X, run.data.y),
        ("validation", run.data.X_validation, run.data.y_validation),
    ):
        assert found.pop(f"r2_{name}") == pytest.approx(r2_score(y, run.predict(X)), rel=1e-12)
        expected = root_mean_squared_error(np.ravel(y), np.ravel(run.predict(X)))
        assert found.pop(f"rmse_{name}") == pytest.approx(expected, rel=1e-12)
    assert found == {}


@pytest.mark.parametrize(
    ("loss", "classes"), [("squared", (-1.0, 1.0)), ("squared", (3.0, 5.0)), ("logistic", (0.0, 1.0))]
)
def test_two_classes_have_an_accuracy(loss, classes):
    y = np.where(np.random.default_rng(1).random(30) < 0.5, *classes)
    run = trained(y, loss)
    guess = predicted(run.predict(run.data.X), loss)
    nearer = np.where(abs(guess - classes[0]) < abs(guess - classes[1]), *classes)
    found = run_scores(run)
    assert found["accuracy_training"] == accuracy_score(run.data.y, nearer)
    assert found["rmse_training"] == pytest.approx(root_mean_squared_error(run.data.y, guess), rel=1e-12)
    assert found.keys() == {f"{score}_{rows}" for score in ("accuracy", "rmse") for rows in ("training", "validation")}


def test_rows_of_one_class_are_still_classes():
    y = np.array([0.0, 1.0] * 10 + [1.0] * 4)
    assert "accuracy_validation" in run_scores(trained(y, held_out=4))


def test_r2_of_constant_targets_is_not_defined():
    found = run_scores(trained(np.ones(12), held_out=0))
    assert found["r2_training"] is None and found.keys() == {"r2_training", "rmse_training"}


def test_the_probability_of_a_logit():
    assert predicted(np.array([-800.0, 0.0, np.log(3), 800.0]), "logistic") == pytest.approx([0, 0.5, 0.75, 1])
