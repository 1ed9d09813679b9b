"""The bound that a run has earned: never below the error in rational arithmetic, whatever parts it is made of."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subnetlab as sl
from subnetlab.theory.certificate import Certificate, CertificateBuilder, error_radius
from subnetlab.theory.round_parts import RoundParts

FLOATS = st.floats(-1e3, 1e3, allow_subnormal=True)


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def exact_square(by_definition, net, X, y, xi):
    """|y - u|^2 as a fraction; the width must be a square."""
    root = math.isqrt(net.width)
    assert root**2 == net.width
    W, X, y = (by_definition.exact(array) for array in (net.weights, X, y))
    return sum(e**2 for e in by_definition.error(W, net.output_weights.astype(object), X, y, Fraction(xi), root))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_bound_from_any_parts_is_above_the_exact_error(by_definition, data):
    """What parts miss is added as defect: wrong parts give a bad bound, never a false one."""
    n, d, m, rounds = 3, 2, 4, data.draw(st.integers(0, 3))
    scale = 10.0 ** data.draw(st.integers(-170, 3))

    def draw(*shape):
        size = int(np.prod(shape))
        return scale * np.array(data.draw(st.lists(FLOATS, min_size=size, max_size=size))).reshape(shape)

    X, y, xi = draw(n, d) / scale, draw(n), data.draw(st.sampled_from([0.3, 1.0]))
    a = np.array(data.draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=m, max_size=m)))
    networks = [sl.ShallowReLU(draw(m, d), a) for _ in range(rounds + 1)]
    builder = CertificateBuilder(networks[0], X, y, xi)
    for network in networks[1:]:
        builder.add(RoundParts(draw(n, n) / scale, draw(n), draw(n)), network, 0)
    certificate = builder.build()
    for k, network in enumerate(networks):
        square = exact_square(by_definition, network, X, y, xi)
        assert Fraction(certificate.bound[k]) >= square
        assert Fraction(certificate.bound_by_norms[k]) >= square


def test_an_error_made_of_rounding_stays_below_its_bound(by_definition):
    """Neurons that cancel, and targets that the network meets to the last bits: the computed error knows no digit."""
    beyond = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        W = rng.normal(size=(16, 5)) * 1e3
        W[8:] = W[:8] * (1 + 1e-16 * rng.integers(0, 3, (8, 5)))
        net = sl.ShallowReLU(W, np.repeat([1.0, -1.0], 8))
        X = rows(6, 5, seed)
        y = net.output(X)
        certificate = CertificateBuilder(net, X, y, 1.0).build()
        square = exact_square(by_definition, net, X, y, 1.0)
        assert Fraction(certificate.bound[0]) >= square
        radius = error_radius(net, X, np.zeros(6), 1.0)
        assert math.sqrt(square) > 1e-6 * radius  # and the bound is not just huge
        beyond += square > Fraction(float(np.sum((net.output(X) - y) ** 2)))
    assert beyond == 40  # without the radius every one of them would be claimed too small


def test_the_factor_bounds_the_norm():
    n, net = 6, sl.ShallowReLU.initialize(16, 3, seed=0)
    X, y = rows(6, 3), np.ones(6)
    for seed in range(20):
        T = np.random.default_rng(seed).normal(size=(n, n)) * 10.0 ** (seed - 10)
        builder = CertificateBuilder(net, X, y, 1.0)
        builder.add(RoundParts(T, np.zeros(n), np.zeros(n)), net, 0)
        (factor,) = builder.build().factors
        assert np.linalg.norm(T, 2) * (1 - 1e-12) <= factor <= np.linalg.norm(T, 2) * (1 + 1e-9)


def test_parts_by_hand():
    """Two rounds of one row that halve the error; the masks add 1/4 and 1/8, crossings take 1/2 off."""
    X, y = np.ones((1, 1)), np.zeros(1)

    def of_error(e):
        return sl.ShallowReLU(np.array([[e]]), np.ones(1))

    builder = CertificateBuilder(of_error(3.0), X, y, 1.0)
    half = np.array([[0.5]])
    builder.add(RoundParts(half, np.array([0.25]), np.array([0.0])), of_error(1.75), 0)
    builder.add(RoundParts(half, np.array([0.125]), np.array([-0.5])), of_error(0.5), 7)
    certificate = builder.build()
    np.testing.assert_allclose(certificate.start, [9, 2.25, 0.5625], rtol=1e-12)
    np.testing.assert_allclose(certificate.masks, [0, 0.0625, 0.0625], rtol=1e-12, atol=1e-150)
    np.testing.assert_allclose(certificate.crossings, [0, 0, 0.25], rtol=1e-12, atol=1e-150)
    np.testing.assert_allclose(certificate.bound, [9, 1.75**2, 1.5**2], rtol=1e-12)
    np.testing.assert_allclose(certificate.bound_by_norms, [9, 1.75**2, 1.5**2], rtol=1e-12)
    assert certificate.ratio == pytest.approx(9)
    assert list(certificate.crossed) == [0, 7]
    assert not certificate.vacuous
    assert certificate.rounding.max() < 1e-25


def test_many_crossings_are_added_up_and_stay_below_their_lengths(monkeypatch):
    """Columns that are merged give a smaller bound, which is still above the error."""
    monkeypatch.setattr("subnetlab.theory.certificate._MOST_COLUMNS", 4)
    n, net = 3, sl.ShallowReLU(np.zeros((1, 3)), np.ones(1))
    X, y, rng = np.eye(3), np.zeros(3), np.random.default_rng(0)
    apart, builder, error = np.zeros((n, 0)), CertificateBuilder(net, X, y, 1.0), np.zeros(n)
    for _ in range(23):
        T, c = rng.normal(size=(n, n)) / 2, rng.normal(size=n)
        apart, error = np.column_stack([T @ apart, c]), T @ error + c
        monkeypatch.setattr(builder, "_error", lambda _, error=error: (error, 0.0))
        builder.add(RoundParts(T, np.zeros(n), c), net, 1)
        lengths = np.linalg.norm(apart, axis=0).sum()
        assert np.linalg.norm(error) ** 2 <= builder.build().bound[-1] <= lengths**2 * (1 + 1e-9)
    assert builder.build().bound[-1] < lengths**2 * (1 - 1e-3)


def test_words_of_a_certificate():
    ones = np.ones(3)
    good = Certificate(4 * ones, 2 * ones, 3 * ones, ones, 0 * ones, ones, 0 * ones, ones[:2] / 2, np.array([1500, 34]))
    assert "1,534 crossings" in str(good)
    assert "at most 2 after 2 rounds, 0.5 times the measured" in str(good)
    assert "vacuous" not in str(good) + repr(good)
    weak = Certificate(4 * ones, 2 * ones, 9 * ones, ones, 0 * ones, ones, 0 * ones, ones[:2], np.array([1, 0]))
    assert str(weak).endswith("That bound by norms is vacuous: it never falls below the first error.")
    bad = Certificate(4 * ones, 5 * ones, 9 * ones, ones, 0 * ones, ones, 0 * ones, ones[:2], np.array([1, 0]))
    assert bad.vacuous
    assert str(bad).endswith("The certificate is vacuous: it never falls below the first error.")
