"""Learned signs and other losses through train, save and resume; runs that record less; steps for minibatches."""

from itertools import combinations

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.auto_step import minibatch_noise

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 4))
Y = RNG.uniform(0, 1, (12, 2))
NETWORK = sl.ShallowReLU.initialize(30, 4, n_outputs=2)
SCHEME = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=6, local_steps=2, step_size=0.1)
LEARNED = {"loss": "logistic", "learn_output_weights": True, "engine": "dual", "validation": (X[:5], Y[:5])}


def deviance(network, X, Y):
    u = network.output(X, 0.5)
    return np.sum(2 * (np.log1p(np.exp(u)) - Y * u))


def test_a_run_carries_its_trained_signs_through_files_and_goes_on_with_the_same_bits(tmp_path):
    whole = sl.train(NETWORK, X, Y, SCHEME, **LEARNED)
    assert np.abs(whole.network.output_weights - NETWORK.output_weights).max() > 0.01
    assert whole.history.full_error[-1] == pytest.approx(deviance(whole.network, X, Y), rel=1e-12)
    assert whole.history.validation_error[-1] == pytest.approx(deviance(whole.network, X[:5], Y[:5]), rel=1e-12)
    session = sl.TrainingSession(NETWORK, X, Y, SCHEME, **LEARNED)
    for _ in range(3):
        session.advance()
    session.run().save(tmp_path / "half.npz")
    resumed = sl.resume(sl.load_run(tmp_path / "half.npz"))
    assert resumed.settings.learn_output_weights
    assert resumed.network.output_weights.tobytes() == whole.network.output_weights.tobytes()
    assert resumed.network.weights.tobytes() == whole.network.weights.tobytes()
    assert resumed.history == whole.history


@pytest.mark.parametrize("record", ["rounds", "none"])
def test_recording_less_trains_the_same(record):
    options = {"engine": "minibatch", "seed": 3}
    full = sl.train(NETWORK, X, Y, SCHEME, **options)
    less = sl.train(NETWORK, X, Y, SCHEME, record=record, **options)
    assert less.network.weights.tobytes() == full.network.weights.tobytes()
    assert np.isnan(less.history.sampled_error).all()
    if record == "rounds":
        np.testing.assert_array_equal(less.history.full_error, full.history.full_error)
    else:
        assert np.isnan(less.history.full_error).all()
    assert sl.resume(less, rounds=8).history.rounds == 8


def test_a_session_that_records_nothing_measures_on_request():
    session = sl.TrainingSession(NETWORK, X, Y, SCHEME, engine="minibatch", record="none")
    session.advance()
    full = sl.TrainingSession(NETWORK, X, Y, SCHEME, engine="minibatch")
    assert session.measure() == full.advance().full_error


@pytest.mark.parametrize("record", ["mean", "rounds", "none"])
def test_divergence_is_noticed_whatever_is_recorded(record):
    wild = sl.TrainingScheme(sl.AllNeurons(), rounds=40, step_size=100.0)
    with pytest.raises(sl.DivergenceError, match="too large") as caught:
        sl.train(NETWORK, X, Y, wild, engine="minibatch", record=record)
    run = caught.value.run
    assert run.status == "diverged"
    assert run.history.rounds == caught.value.round
    if record == "none":
        assert caught.value.round == 0
        np.testing.assert_array_equal(run.network.weights, NETWORK.weights)


def test_what_the_paper_does_not_cover_has_no_step_size_from_theory(refused):
    scheme = sl.gradient_descent(1, "theory")
    for options in ({"loss": "logistic"}, {"learn_output_weights": True}):
        with refused(ValueError, "train: step_size='theory' covers the squared loss and fixed signs only"):
            sl.TrainingSession(NETWORK, X, Y, scheme, **options)


def test_targets_outside_the_loss_are_refused(refused):
    with refused(ValueError, "train: y_validation must be in [0, 1] for the logistic loss, got values from 2.0 to 3.0"):
        sl.train(NETWORK, X, Y, SCHEME, loss="logistic", validation=(X[:1], [[2.0, 3.0]]))


def hessian(learn_output_weights, network=NETWORK):
    """J' J with J the Jacobian of all outputs by all parameters that are trained, at fixed patterns."""
    active = X @ network.weights.T >= 0
    J = np.einsum("ir,rc,ij->icrj", active, network.output_weights, X).reshape(24, -1)
    if learn_output_weights:
        relu = np.maximum(X @ network.weights.T, 0)
        J = np.hstack([J, np.einsum("ir,ce->icre", relu, np.eye(2)).reshape(24, -1)])
    return J @ J.T / network.width


@pytest.mark.parametrize("learn_output_weights", [False, True])
@pytest.mark.parametrize(("loss", "curvature"), [("squared", 1.0), ("logistic", 0.25)])
def test_auto_for_several_outputs_learned_signs_and_the_logistic_loss(learn_output_weights, loss, curvature):
    scheme = sl.gradient_descent(1)
    eta = sl.TrainingSession(
        NETWORK, X, Y, scheme, learn_output_weights=learn_output_weights, loss=loss
    ).settings.step_size
    exact = 1 / (curvature * np.linalg.eigvalsh(hessian(learn_output_weights))[-1])
    if learn_output_weights:  # the sum of the two kernels' eigenvalues bounds that of their sum
        assert exact / 2 <= eta <= exact
    else:
        assert eta == pytest.approx(exact, rel=5e-3)
        assert eta <= exact


@pytest.mark.parametrize("b", [1, 2, 4, 6])
def test_the_noise_of_minibatches_bounds_their_second_moment(b):
    """E[H_b^2] <= H^2 + c max K_ii H by enumeration of all batches of 6 rows; K_ii = |x_i|^2 / 2 is made exact."""
    W = RNG.standard_normal((50, 4))
    network = sl.ShallowReLU(np.vstack([W, -W]), np.ones(100))  # each row is active for half of the neurons
    rows = X[:6]
    H = sl.finite_ntk(network, rows)
    batches = list(combinations(range(6), b))
    moment = np.zeros((6, 6))
    for batch in batches:
        picked = np.zeros((6, 6))
        picked[batch, batch] = 6 / b
        moment += H @ picked @ H @ picked @ H / len(batches)  # H^(1/2) (H_b)^2 H^(1/2), seen from H
    bound = H @ H @ H + minibatch_noise(rows, b, 1.0) * H @ H
    assert np.linalg.eigvalsh(bound - moment)[0] >= -1e-9
    assert (minibatch_noise(rows, b, 1.0) == 0) == (b == 6)


def test_auto_for_minibatches_counts_their_noise():
    network = sl.ShallowReLU.initialize(30, 4)
    for b in (1, 5, 12):
        scheme = sl.TrainingScheme(sl.AllNeurons(), rounds=300, batch_size=b)
        session = sl.TrainingSession(network, X, Y[:, 0], scheme, engine="minibatch")
        top = np.linalg.eigvalsh(sl.finite_ntk(network, X))[-1]
        assert session.settings.step_size == pytest.approx(1 / (top + minibatch_noise(X, b, 1.0)), rel=1e-9)
        run = sl.train(network, X, Y[:, 0], scheme, engine="minibatch")
        assert run.history.full_error[-1] < run.history.full_error[0]
