"""What a run earns: its rounds run again, and a bound of its error."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subnetlab as sl
from subnetlab.training.certificate import certificate_of


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X, Y = rows(12, 6), np.sin(np.arange(12.0))
NET = sl.ShallowReLU.initialize(400, 6, 0.5, seed=0)


def exact_square(net, X, y, xi, root):
    """|y - u|^2 in rational numbers, neuron by neuron."""
    total = Fraction(0)
    for x, target in zip(X, y, strict=True):
        sums = Fraction(0)
        for w, a in zip(net.weights, net.output_weights, strict=True):
            z = sum(Fraction(float(s)) * Fraction(float(t)) for s, t in zip(w, x, strict=True))
            sums += int(a) * max(z, Fraction(0))
        total += (Fraction(xi) * sums / root - Fraction(float(target))) ** 2
    return total


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    law=st.sampled_from([sl.AllNeurons(1), sl.Bernoulli(2, 0.4), sl.Bernoulli(1, 0.7), sl.Categorical(3)]),
    tau=st.integers(1, 4),
    rounds=st.integers(1, 8),
    kappa=st.sampled_from([1e-3, 1.0, 30.0]),
    step=st.sampled_from([0.05, 1.0, 4.0]),
)
def test_the_bound_is_above_the_exact_error_of_the_last_network(seed, law, tau, rounds, kappa, step):
    """Nine neurons, so that the root of m is a number, and steps from tiny to unstable."""
    net = sl.ShallowReLU.initialize(9, 3, kappa, seed=seed)
    data, y = rows(4, 3, seed), np.random.default_rng(seed).normal(size=4)
    scheme = sl.TrainingScheme(law, rounds=rounds, local_steps=tau, step_size=step)
    try:
        run = sl.train(net, data, y, scheme, seed=seed, engine="reference")
    except sl.DivergenceError as stopped:
        run = stopped.run
    certificate = sl.certify(run)
    square = exact_square(run.network, data, y, law.selection_prob, 3)
    assert Fraction(certificate.bound[-1]) >= square
    assert Fraction(certificate.bound_by_norms[-1]) >= square
    np.testing.assert_allclose(certificate.measured, run.history.full_error, rtol=1e-5, atol=1e-9)


def test_training_to_the_last_bit_stays_below_its_bound():
    """The error that is left is rounding; the bound knows how much that can be."""
    net = sl.ShallowReLU.initialize(64, 6, seed=1)
    run = sl.train(net, X[:3], Y[:3], sl.gradient_descent(rounds=600, step_size=2.0))
    certificate = sl.certify(run)
    square = exact_square(run.network, X[:3], Y[:3], 1.0, 8)
    assert square < 1e-28
    assert square <= Fraction(certificate.bound[-1]) < Fraction(1e-20)


@pytest.mark.parametrize(
    ("scheme", "most"),
    [
        (sl.gradient_descent(rounds=60), 1.1),
        (sl.dropout(0.5, rounds=60), 2.0),
        (sl.TrainingScheme(sl.Bernoulli(4, 0.5), rounds=60, local_steps=5), 1.5),
        (sl.independent_subnets(4, rounds=60, local_steps=5), 4.0),
        (sl.TrainingScheme(sl.Categorical(2), rounds=60, local_steps=3, shards=2), 4.0),
        (sl.TrainingScheme(sl.Bernoulli(2, 0.8), rounds=60, local_steps=3, batch_size=4), 4.0),
    ],
    ids=["gradient descent", "dropout", "Bernoulli", "categorical", "shards", "minibatches"],
)
def test_the_bound_is_near_the_error(scheme, most):
    run = sl.train(NET, X, Y, scheme, seed=1)
    certificate = sl.certify(run)
    assert certificate.crossed.sum() > 0
    assert np.all(run.history.full_error <= certificate.bound)
    assert np.all(certificate.bound <= certificate.bound_by_norms * (1 + 1e-9))
    assert 1 <= certificate.ratio <= most
    assert not certificate.vacuous
    assert certificate.rounding.max() < 1e-20


def test_gradient_descent_without_crossings_keeps_what_the_kernel_says():
    """Orthogonal rows and a large scale: no pattern changes, and the certificate is the theorem of linear models."""
    data = np.eye(4)
    net = sl.ShallowReLU.initialize(900, 4, 1000.0, seed=0)
    y = net.output(data) + 1.0
    run = sl.train(net, data, y, sl.gradient_descent(rounds=20, step_size=0.5))
    certificate = sl.certify(run)
    assert certificate.crossed.sum() == 0
    H = np.diag(sl.finite_ntk(net, data))
    np.testing.assert_allclose(certificate.bound, [np.sum((1 - 0.5 * H) ** (2 * k)) for k in range(21)], rtol=1e-4)
    np.testing.assert_allclose(certificate.factors, 1 - 0.5 * H.min(), rtol=1e-9)


def test_runs_of_other_engines_and_of_single_precision():
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=10, local_steps=4, step_size=0.5)
    event = sl.certify(sl.train(NET, X, Y, scheme, engine="event"))
    dual = sl.certify(sl.train(NET, X, Y, scheme, engine="dual"))
    single = sl.certify(sl.train(NET, X, Y, scheme, engine="primal", dtype="float32"))
    np.testing.assert_allclose(dual.bound, event.bound, rtol=1e-9)
    np.testing.assert_allclose(single.bound, event.bound, rtol=1e-3)
    assert single.rounding[-1] > 1e3 * event.rounding[-1]  # the last network is not that of the replay
    assert single.measured[-1] <= single.bound[-1]


def test_a_certificate_of_the_start_and_of_an_unfinished_run():
    session = sl.TrainingSession(NET, X, Y, sl.dropout(0.5, rounds=5))
    start = sl.certify(session.run())
    assert start.bound.shape == (1,)
    assert start.vacuous
    assert "after 0 rounds" in str(start)
    session.advance()
    session.advance()
    assert sl.certify(session.run()).bound.shape == (3,)


def test_what_has_no_certificate(refused):
    scheme = sl.dropout(0.5, rounds=1, step_size=0.1)
    with refused(ValueError, "certify: the loss must be the squared one, without sample weights"):
        sl.certify(sl.train(NET, X, Y, scheme, sample_weight=np.ones(12)))
    with refused(ValueError, "certify: the loss must be the squared one, without sample weights"):
        sl.certify(sl.train(NET, X, Y > 0, scheme, loss="logistic"))
    with refused(ValueError, "certify: unselected must be 'keep': an erased neuron is no crossing"):
        erasing = sl.TrainingScheme(sl.Bernoulli(1, 0.5), rounds=1, step_size=0.1, unselected="zero")
        sl.certify(sl.train(NET, X, Y, erasing))
    with refused(ValueError, "certify: output weights must be -1 or +1 and not trained"):
        sl.certify(sl.train(NET, X, Y, scheme, learn_output_weights=True))
    with refused(ValueError, "certify: the network must have one output"):
        two = sl.ShallowReLU.initialize(50, 6, n_outputs=2)
        sl.certify(sl.train(two, X, np.column_stack([Y, Y]), scheme))


def test_the_verdict_has_it_where_it_is_wanted_and_affordable(monkeypatch, refused):
    run = sl.train(NET, X, Y, sl.dropout(0.5, rounds=3, step_size=0.1))
    verdict = run.theory()
    assert verdict.certificate.bound.shape == (4,)
    assert str(verdict).endswith(str(verdict.certificate))
    assert run.theory(certificate="never").certificate is None
    monkeypatch.setattr("subnetlab.training.certificate._A_MINUTE", 1.0)
    assert certificate_of(run, "auto") is None
    assert certificate_of(run, "always") is not None
    with refused(ValueError, "theory: certificate must be one of 'auto', 'always', 'never', got 'perhaps'"):
        run.theory(certificate="perhaps")
