"""All of scikit-learn's own checks, none expected to fail, and its tools around the estimators."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import subnetlab as sl

WITH_OPTIONS = [
    sl.SubnetRegressor(),
    sl.SubnetClassifier(),
    sl.SubnetRegressor(early_stopping=True),
    sl.SubnetClassifier(early_stopping=True),
    sl.SubnetRegressor(scheme="gradient_descent", learn_output_weights=True),
    sl.SubnetRegressor(scheme=sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=20), init_scale=1.0),
    sl.SubnetRegressor(engine="dual", dtype="float64", width=40, step_size=0.01, rounds=20),
    sl.SubnetClassifier(scheme="dropout", loss="squared"),
    sl.SubnetClassifier(scheme="multi_sample_dropout", warm_start=True, n_jobs=2),
    sl.SubnetClassifier(learn_output_weights=True, batch_size=8),
]


@parametrize_with_checks(WITH_OPTIONS)
def test_scikit_learn(estimator, check):
    check(estimator)


DATA = {sl.SubnetRegressor: load_diabetes(return_X_y=True), sl.SubnetClassifier: load_iris(return_X_y=True)}


@pytest.mark.parametrize("kind", DATA)
def test_pickles_and_clones_predict_the_same_bits(kind):
    X, y = DATA[kind]
    model = kind(random_state=3, rounds=5).fit(X, y)
    assert pickle.loads(pickle.dumps(model)).predict(X).tobytes() == model.predict(X).tobytes()
    assert clone(model).fit(X, y).predict(X).tobytes() == model.predict(X).tobytes()
    assert kind(random_state=4, rounds=5).fit(X, y).network_.weights.tobytes() != model.network_.weights.tobytes()


@pytest.mark.parametrize("kind", DATA)
def test_pipelines_searches_and_cross_validation(kind):
    X, y = DATA[kind]
    X, y = X[::2], y[::2]
    model = make_pipeline(StandardScaler(), kind(random_state=0, rounds=5))
    name = kind.__name__.lower()
    search = GridSearchCV(model, {f"{name}__init_scale": [0.05, 1.0], f"{name}__scheme": ["ist", "dropout"]}, cv=2)
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()
    assert cross_val_score(model, X, y, cv=3).shape == (3,)
