"""SubnetClassifier: outputs, probabilities, losses, classes."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris

import subnetlab as sl

IRIS, SPECIES = load_iris(return_X_y=True)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)
CANCER = ((CANCER - CANCER.mean(axis=0)) / CANCER.std(axis=0))[:400]
NAMES = np.array(["malignant", "benign"])[BENIGN[:400]]


@pytest.mark.parametrize("loss", ["logistic", "squared"])
@pytest.mark.parametrize("learn", [False, True])
def test_learns_two_and_three_classes(loss, learn):
    model = sl.SubnetClassifier(loss=loss, learn_output_weights=learn, random_state=0)
    assert model.fit(CANCER, NAMES).score(CANCER, NAMES) > 0.95
    assert model.decision_function(CANCER).shape == (400,)
    assert model.network_.output_weights.ndim == 1
    assert model.fit(IRIS, SPECIES).score(IRIS, SPECIES) > 0.9
    assert model.decision_function(IRIS).shape == (150, 3)
    assert model.network_.output_weights.shape == (128, 3)


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_probabilities_follow_from_the_decision_function(loss):
    model = sl.SubnetClassifier(loss=loss, random_state=0).fit(IRIS, SPECIES)
    output = model.decision_function(IRIS)
    own = 1 / (1 + np.exp(-output)) if loss == "logistic" else np.clip((1 + output) / 2, 0, 1)
    np.testing.assert_allclose(model.predict_proba(IRIS), own / own.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(IRIS), output.argmax(axis=1))
    two = sl.SubnetClassifier(loss=loss, random_state=0).fit(CANCER, NAMES)
    output = two.decision_function(CANCER)
    own = 1 / (1 + np.exp(-output)) if loss == "logistic" else np.clip((1 + output) / 2, 0, 1)
    np.testing.assert_allclose(two.predict_proba(CANCER), np.column_stack([1 - own, own]), atol=1e-15)
    np.testing.assert_array_equal(two.predict(CANCER), two.classes_[(output > 0).astype(int)])


def test_probabilities_are_calibrated_on_a_coin():
    """One feature, chance of the second class 0.2 or 0.7 by its sign: 5,000 rows, binomial error 0.01, 4 of them."""
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (5000, 1))
    y = rng.random(5000) < np.where(x[:, 0] > 0, 0.7, 0.2)
    model = sl.SubnetClassifier(random_state=0).fit(x, y)
    np.testing.assert_allclose(model.predict_proba([[-1.0], [1.0]])[:, 1], [0.2, 0.7], atol=0.04)


def test_no_class_with_a_chance_means_equal_chances():
    model = sl.SubnetClassifier(loss="squared", random_state=0).fit(IRIS, SPECIES)
    np.testing.assert_array_equal(model._probabilities(np.full((1, 3), -5.0)), np.full((1, 3), 1 / 3))


def test_the_spread_of_probabilities():
    model = sl.SubnetClassifier(random_state=0).fit(IRIS, SPECIES)
    std = model.predict_std(IRIS, n_samples=20)
    assert std.shape == (150, 3)
    assert (std >= 0).all()
    assert std.max() > 0
    assert (
        not sl.SubnetClassifier(scheme="gradient_descent", random_state=0)
        .fit(IRIS, SPECIES)
        .predict_std(IRIS, n_samples=4)
        .round(9)
        .any()
    )


def test_partial_fit_knows_classes_from_the_first_call(refused):
    model = sl.SubnetClassifier(random_state=0)
    for _ in range(20):
        model.partial_fit(IRIS[:100], SPECIES[:100], classes=[0, 1, 2])
    model.partial_fit(IRIS[100:], SPECIES[100:])
    assert model.predict_proba(IRIS).shape == (150, 3)
    with refused(ValueError, "SubnetClassifier: classes must be [0 1 2] as in the first call, got [0 1]"):
        model.partial_fit(IRIS, SPECIES, classes=[0, 1])
    with refused(ValueError, "SubnetClassifier: y must hold the classes [0 1 2], got [7] too"):
        model.partial_fit(IRIS[:2], [0, 7])


def test_bad_input_is_refused(refused):
    with refused(ValueError, "SubnetClassifier: loss must be one of 'squared', 'logistic', got 'hinge'"):
        sl.SubnetClassifier(loss="hinge").fit(IRIS, SPECIES)
    with refused(ValueError, "SubnetClassifier: y must hold at least two classes, got the one class 1"):
        sl.SubnetClassifier().fit(IRIS[50:90], SPECIES[50:90])
    with pytest.raises(ValueError, match="Unknown label type"):
        sl.SubnetClassifier().fit(IRIS, IRIS[:, 0])


def test_an_earlier_fit_stays_when_other_features_are_refused(refused):
    model = sl.SubnetClassifier(random_state=0, rounds=2).fit(IRIS, SPECIES)
    before = model.predict_proba(IRIS)
    with refused(ValueError, "SubnetClassifier: y must hold at least two classes, got the one class 0"):
        model.fit(IRIS[:50, :2], SPECIES[:50])
    np.testing.assert_array_equal(model.predict_proba(IRIS), before)


def test_early_stopping_holds_out_every_class():
    rare = np.r_[np.zeros(360, int), np.ones(40, int)]
    order = np.random.default_rng(0).permutation(400)
    model = sl.SubnetClassifier(early_stopping=True, random_state=0, rounds=20).fit(CANCER[order], rare)
    assert len(model.validation_errors_) == 10
    single = np.r_[np.zeros(399, int), [1]]  # a class of one row cannot be split
    sl.SubnetClassifier(early_stopping=True, random_state=0, rounds=2).fit(CANCER, single)
