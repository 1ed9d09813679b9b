"""Both ends of a spectrum, from all eigenvalues and from products, against matrices whose eigenvalues are known."""

import numpy as np
import pytest

from subnetlab.kernels.extremes import extremes_by_products, extremes_of_matrix


def operator(values, seed=0):
    """A symmetric matrix with these eigenvalues."""
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))
    return (Q * values) @ Q.T


def by_products(H, **settings):
    return extremes_by_products(lambda v: H @ v, len(H), **settings)


SPECTRA = {
    "wide": np.geomspace(1e-4, 1e3, 60),
    "flat": np.ones(20),
    "many equal": np.repeat([2.0, 5.0, 7.0], 10),
    "both signs": np.linspace(-3, 1, 40),
    "singular": np.r_[np.zeros(30), np.arange(1.0, 31.0)],
    "one": np.array([4.0]),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_both_ways_find_the_ends(name):
    values = SPECTRA[name]
    H, top = operator(values), np.abs(values).max()
    for found in (extremes_of_matrix(H), by_products(H, accuracy=1e-9)):
        assert found.smallest == pytest.approx(values.min(), abs=1e-11 * top)
        assert found.largest == pytest.approx(values.max(), abs=1e-11 * top)
        assert max(found.smallest_residual, found.largest_residual) < 1e-8 * top
    assert extremes_of_matrix(H).products is None


@pytest.mark.parametrize("most_products", [1, 5, 20, 40])
def test_residuals_say_what_an_iteration_that_was_cut_short_is_worth(most_products):
    """Some eigenvalue lies within the residual, and the ends lie inside the spectrum."""
    values = np.geomspace(1e-3, 10, 100)
    found = by_products(operator(values), most_products=most_products)
    assert found.products <= most_products + 2
    assert values.min() <= found.smallest <= found.largest <= values.max() * (1 + 1e-12)
    assert np.abs(values - found.smallest).min() <= found.smallest_residual
    assert np.abs(values - found.largest).min() <= found.largest_residual + 1e-12
    if most_products < 40:
        assert found.smallest_residual > 1e-3 * found.smallest


def test_an_iteration_ends_where_it_has_the_accuracy():
    values = np.linspace(1, 2, 400)
    rough, fine = (by_products(operator(values), accuracy=accuracy) for accuracy in (1e-2, 1e-6))
    assert rough.products < fine.products < 300
    assert rough.smallest_residual <= 1e-2 * rough.smallest
    assert fine.smallest_residual <= 1e-6 * fine.smallest
    assert fine.smallest == pytest.approx(1, abs=1e-6)


def test_an_operator_that_is_zero_ends_at_once():
    found = extremes_by_products(lambda v: np.zeros(50), 50)
    assert (found.smallest, found.largest, found.smallest_residual, found.products) == (0, 0, 0, 3)


def test_the_same_seed_gives_the_same_bits():
    H = operator(np.geomspace(1e-3, 10, 80))
    first, again, other = (by_products(H, seed=seed, most_products=20) for seed in (1, 1, 2))
    assert first == again
    assert first.smallest != other.smallest


def test_it_prints_as_a_measurement():
    found = by_products(np.diag([1.0, 2.0]))
    assert repr(found).startswith("ExtremeEigenvalues(smallest 1, residual ")
    assert repr(found).endswith("; measured, 4 products)")
    assert repr(extremes_of_matrix(np.eye(2))).endswith("; measured, whole matrix)")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"most_products": 0}, ValueError, "most_products must be at least 1, got 0"),
        ({"accuracy": 0}, ValueError, "accuracy must be above 0, got 0"),
        ({"seed": 1.5}, TypeError, "seed must be a whole number, got 1.5"),
    ],
)
def test_what_breaks_a_rule_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        by_products(np.eye(3), **settings)


def test_vectors_that_cannot_fit_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match="most_products must give vectors that fit into the memory"):
        extremes_by_products(lambda v: v, 10**12)
