"""Mask moments: closed forms against enumeration of all masks, and against sampling."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.moments import bernoulli_moments, categorical_moments, mask_moments

CASES = [(p, Fraction(*xi)) for p in (1, 2, 3, 4) for xi in ((1, 2), (1, 3), (4, 5), (1, 1))]


def enumerated(p, xi):
    """All 4^p masks of two neurons, with their probabilities."""
    for own in itertools.product((0, 1), repeat=p):
        for other in itertools.product((0, 1), repeat=p):
            ones = sum(own) + sum(other)
            probability = xi**ones * (1 - xi) ** (2 * p - ones)
            X = sum(own)
            eta = Fraction(1, X) if X else Fraction(0)
            nu = eta * sum(a * b for a, b in zip(own, other, strict=True))
            yield probability, X, eta, nu


@pytest.mark.parametrize(("p", "xi"), CASES)
def test_closed_forms_equal_enumeration(p, xi):
    moments = bernoulli_moments(p, xi)
    table = list(enumerated(p, xi))
    theta = sum(w for w, X, _, _ in table if X)
    selected = [(w / theta, X, nu) for w, X, _, nu in table if X]
    mean = sum(w * nu for w, _, nu in selected)
    assert moments.coverage == theta
    assert moments.mean_step == sum(w * eta for w, _, eta, _ in table)
    assert moments.mean_reciprocal == sum(w / X for w, X, _ in selected)
    assert mean == xi  # Lemma 20
    assert moments.pair_variance == sum(w * (nu - mean) ** 2 for w, _, nu in selected)
    assert moments.own_spread == sum(w * (min(X, 1) - xi) ** 2 for w, X, _, _ in table)


@pytest.mark.parametrize(("p", "xi"), CASES)
def test_the_papers_moments_are_true_for_one_subnetwork_only(p, xi):
    moments = bernoulli_moments(p, xi)
    exact = p == 1 or xi == 1
    if p == 1:
        assert moments.paper_mean_step == moments.mean_step
        assert moments.paper_mean_reciprocal == moments.mean_reciprocal == 1
    if not exact:
        assert moments.paper_mean_step < moments.mean_step
        assert moments.paper_mean_reciprocal < moments.mean_reciprocal


def test_the_worst_ratio_of_lemma_21():
    ratio = max(
        (m.mean_reciprocal / m.paper_mean_reciprocal, p)
        for p in (1, 2, 10, 200)
        for m in (bernoulli_moments(p, min(Fraction(j, 4 * p), Fraction(1))) for j in range(1, 24))
    )
    assert float(ratio[0]) == pytest.approx(1.365, abs=0.003)


def test_inequalities_of_the_mean_step():
    for p, xi in CASES:
        e, theta = bernoulli_moments(p, xi).mean_step, bernoulli_moments(p, xi).coverage
        assert theta**2 / (p * xi) <= e <= min(theta, 2 * (1 - (1 - xi) ** (p + 1)) / ((p + 1) * xi))


def test_sampled_masks_have_the_moments():
    """200,000 neurons; five standard errors fail by chance below 1e-5."""
    masks = sl.Bernoulli(3, 0.3).sample(seed=1, round=0, width=200_000)
    X = masks.sum(axis=0)
    moments = mask_moments(sl.Bernoulli(3, 0.3))
    assert np.mean(X > 0) == pytest.approx(float(moments.coverage), abs=5 * 0.5 / 447)
    steps = np.divide(1.0, X, out=np.zeros(len(X)), where=X > 0)
    assert steps.mean() == pytest.approx(float(moments.mean_step), abs=5 * steps.std() / 447)


def test_categorical_moments():
    moments = categorical_moments(4)
    assert moments.coverage == moments.mean_step == 1
    assert moments.pair_variance == Fraction(3, 16)


def test_all_neurons_have_full_coverage_and_no_variance():
    moments = mask_moments(sl.AllNeurons(3))
    assert moments.coverage == 1
    assert moments.pair_variance == moments.own_spread == 0


def test_laws_without_theory_are_refused(refused):
    masks = sl.FixedMasks(np.ones((1, 1, 2), dtype=bool), 1.0)
    with refused(
        ValueError, "theory: masks must follow one of the laws AllNeurons, Bernoulli, Categorical, got FixedMasks"
    ):
        mask_moments(masks)
    with pytest.raises(ValueError, match="uniform"):
        mask_moments(sl.Categorical(2, (0.3, 0.7)))
    with pytest.raises(ValueError, match="selection_prob"):
        bernoulli_moments(2, 1.5)


def test_many_subnetworks_are_exact_and_fast():
    moments = bernoulli_moments(400, 0.25)
    assert float(moments.mean_reciprocal) == pytest.approx(1 / 100 * (1 + 0.75 / 100), rel=5e-4)
