"""The prediction with changing activation patterns, against gradient descent itself and against Algorithm 1."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import subnetlab as sl
from subnetlab.theory.course import next_stop
from subnetlab.theory.followed_neurons import FollowedNeurons, how_often_selected


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X = rows(6, 8)
Y = np.linspace(-1, 1, 6)


@pytest.mark.parametrize("tau", [1, 4])
def test_gradient_descent_of_twins_is_followed_exactly(tau):
    """Twins (w, +1), (w, -1) are what the method moves, and for ten rounds an interval is a round: no error at all."""
    half = sl.ShallowReLU.initialize(40, 8, init_scale=0.2, seed=3).weights
    twins = sl.ShallowReLU(np.vstack([half, half]), np.repeat([1.0, -1.0], 40))
    model = sl.lazy_model(twins, X, Y, n_neurons=40)
    scheme = sl.TrainingScheme(sl.AllNeurons(), rounds=10, local_steps=tau, step_size=1.0)
    run = sl.train(twins, X, Y, scheme, engine="reference")
    assert np.mean((run.network.weights @ X.T >= 0) != (twins.weights @ X.T >= 0)) > 0.02  # patterns do change
    predicted = sl.predict(model, scheme, patterns="moving").full_error
    np.testing.assert_allclose(predicted, run.history.full_error, rtol=1e-10)
    frozen = sl.predict(model, scheme, patterns="frozen").full_error
    assert np.max(np.abs(frozen / run.history.full_error - 1)) > 0.05  # which frozen patterns do not see


def test_nothing_crosses_a_kink_in_the_limit_of_width():
    network = sl.ShallowReLU.initialize(500, 8, seed=0)
    model = replace(sl.lazy_model(network, X, Y), width=10**16)
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.4), rounds=60, local_steps=3, step_size=0.8)
    moving, frozen = (sl.predict(model, scheme, patterns=word) for word in ("moving", "frozen"))
    np.testing.assert_allclose(moving.full_error, frozen.full_error, rtol=1e-5)
    np.testing.assert_allclose(moving.local_error, frozen.local_error, rtol=1e-5)


CASES = [  # masks, local steps, kappa, eta, rounds; in the fourth masks' noise moves the neurons, not the mean force
    (sl.AllNeurons(), 3, 0.1, 0.3, 15),
    (sl.Categorical(4), 5, 0.1, 0.3, 15),
    (sl.Bernoulli(4, 0.5), 5, 0.1, 0.3, 15),
    (sl.Categorical(8), 5, 2.0, 0.6, 30),
    (sl.Categorical(8), 8, 0.3, 6.0, 6),  # a subnetwork loses much in its first local steps, and makes up for it
]


@pytest.mark.parametrize(("masks", "tau", "kappa", "eta", "rounds"), CASES)
def test_it_is_right_where_frozen_patterns_fail(masks, tau, kappa, eta, rounds):
    """Width 4,096, mean of 12 seeds: within ten per cent and 3 standard errors in each round."""
    network = sl.ShallowReLU.initialize(4096, 8, init_scale=kappa, seed=3)
    scheme = sl.TrainingScheme(masks, rounds=rounds, local_steps=tau, step_size=eta)
    seeds = 1 if isinstance(masks, sl.AllNeurons) else 12
    runs = np.array([sl.train(network, X, Y, scheme, seed=s, engine="event").history.full_error for s in range(seeds)])
    allowed = 0.1 * runs.mean(axis=0) + (3 * runs.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else 0)
    model = sl.lazy_model(network, X, Y)
    moving, frozen = (sl.predict(model, scheme, patterns=word).full_error for word in ("moving", "frozen"))
    assert np.all(np.abs(runs.mean(axis=0) - moving) <= allowed)
    assert np.any(np.abs(runs.mean(axis=0) - frozen) > 2 * allowed)


@pytest.mark.parametrize(
    ("masks", "eta", "rows"),
    [(sl.Categorical(3), 0.9, {"shards": 3}), (sl.Bernoulli(2, 0.5), 0.3, {"batch_size": 3})],
)
def test_shards_and_batches_are_followed_where_frozen_patterns_fail(masks, eta, rows):
    """Width 4,096, 8 seeds with shards of their own: run minus prediction within 5% and 4 standard errors."""
    network = sl.ShallowReLU.initialize(4096, 8, init_scale=0.1, seed=3)
    scheme = sl.TrainingScheme(masks, rounds=12, local_steps=5, step_size=eta, **rows)
    model, seeds = sl.lazy_model(network, X, Y, n_neurons=2048), range(8)
    runs = np.array([sl.train(network, X, Y, scheme, seed=s, engine="event").history.full_error for s in seeds])
    for patterns, right in (("moving", True), ("frozen", False)):
        away = runs - [sl.predict(model, scheme, patterns=patterns, seed=s).full_error for s in seeds]
        allowed = 0.05 * runs.mean(axis=0) + 4 * away.std(axis=0, ddof=1) / np.sqrt(8)
        assert np.all(np.abs(away.mean(axis=0)) <= allowed) == right


def test_the_noise_of_a_narrow_network_wears_off():
    """Lemma 2's penalty shrinks the activations of 1,000 neurons, and with them the noise; mean of 12 seeds, 15%."""
    network = sl.ShallowReLU.initialize(1000, 8, seed=3)
    scheme = sl.TrainingScheme(sl.Bernoulli(4, 0.5), rounds=200, local_steps=5, step_size=0.5)
    late = [sl.train(network, X, Y, scheme, seed=s, engine="dual").history.full_error[120:].mean() for s in range(12)]
    predicted = sl.predict(sl.lazy_model(network, X, Y), scheme)
    assert np.mean(late) == pytest.approx(predicted.full_error[120:].mean(), rel=0.15)
    assert np.mean(late) < 0.75 * predicted.plateau


def test_local_training_makes_up_for_what_crossing_neurons_lose():
    """Categorical masks, 8 local steps: the last third of 90 rounds, mean of 6 seeds, to 40%."""
    network = sl.ShallowReLU.initialize(2000, 8, init_scale=0.3, seed=3)
    scheme = sl.TrainingScheme(sl.Categorical(8), rounds=90, local_steps=8, step_size=6.0)
    late = [sl.train(network, X, Y, scheme, seed=s, engine="event").history.full_error[60:].mean() for s in range(6)]
    predicted = sl.predict(sl.lazy_model(network, X, Y), scheme).full_error[60:].mean()
    assert np.mean(late) == pytest.approx(predicted, rel=0.4)


def test_a_neuron_stops_at_the_kink():
    """One row: noise that carries z from 0.5 to -0.5 in one step leaves it after the step that crosses in several."""
    network = sl.ShallowReLU(np.array([[0.5, 0.0]]), np.array([1.0]))
    neurons = FollowedNeurons(sl.lazy_model(network, np.array([[1.0, 0.0]]), np.array([1.0])))
    for steps, rounds, end in ((1, 1, -0.5), (1, 10**9, 0.0), (4, 1, -0.58 / 4), (4, 4, -0.58 / 8)):
        neurons.begin(0, rounds, 1.0, np.full(steps, 1 / steps))
        z = np.array([[0.5]])
        neurons._wander(z, np.array([[1.0]]))
        assert z[0, 0] == pytest.approx(end, abs=1e-4)
        assert z[0, 0] < 0


def test_intervals_are_rounds_at_first_and_cover_all():
    ends = [0]
    while ends[-1] < 1000:
        ends.append(next_stop(ends[-1], 1000, np.inf))
    assert ends[:11] == list(range(11))
    assert ends[-1] == 1000
    assert len(ends) < 70
    assert next_stop(900, 1000, longest=7.5) == 907
    assert next_stop(900, 1000, longest=0.5) == 901


def test_long_runs_stay_stable():
    """With few neurons and intervals of hundreds of rounds: each is followed 16 times, and old pushes are forgotten."""
    data = sl.load_dataset("diabetes", n_samples=8, seed=0)
    network = sl.ShallowReLU.initialize(2000, data.X.shape[1], seed=0)
    scheme = sl.TrainingScheme(sl.Bernoulli(10, 0.5), rounds=2000, local_steps=2, step_size=0.4)
    predicted = sl.predict(sl.lazy_model(network, data.X, data.y, n_neurons=500), scheme, patterns="moving")
    assert predicted.full_error[2000] < predicted.full_error[1000] < predicted.full_error[100]
    assert np.all(predicted.mean_part[500:] < 0.02 * predicted.mean_part[0])


@pytest.mark.parametrize("size", [1e-70, 1e-40, 1e-12, 1e12, 1e40, 1e70])
@pytest.mark.parametrize("masks", [sl.Bernoulli(2, 0.5), sl.Categorical(2)])
def test_targets_and_weights_of_any_size_are_followed_alike(masks, size):
    """Both times s make every error s^2 times as large; much of it is in single precision for s near 1 alone."""
    scheme = sl.TrainingScheme(masks, rounds=30, local_steps=3, step_size=0.5)
    network = sl.ShallowReLU.initialize(300, 8, seed=0)
    scaled = sl.ShallowReLU(size * network.weights, network.output_weights)
    one = sl.predict(sl.lazy_model(network, X, Y), scheme)
    other = sl.predict(sl.lazy_model(scaled, X, size * Y), scheme)
    np.testing.assert_allclose(other.full_error / size**2, one.full_error, rtol=1e-4)


def test_same_question_same_answer():
    network = sl.ShallowReLU.initialize(300, 8, seed=0)
    scheme = sl.multi_sample_dropout(2, 0.5, rounds=20, step_size=0.5)
    first, second = (sl.predict(sl.lazy_model(network, X, Y), scheme, patterns="moving") for _ in range(2))
    np.testing.assert_array_equal(first.full_error, second.full_error)


def test_unstable_steps_do_not_stop_it():
    network = sl.ShallowReLU.initialize(300, 8, seed=0)
    scheme = sl.dropout(0.5, rounds=5000, step_size=1000.0)
    curve = sl.predict(sl.lazy_model(network, X, Y), scheme, patterns="moving").full_error
    assert not np.isfinite(curve[-1])


def test_what_it_cannot_follow_is_refused(refused):
    scheme = sl.dropout(0.5, rounds=2, step_size=0.1)
    with refused(ValueError, "predict: patterns must be 'frozen' for an average over initial networks, got 'moving'"):
        sl.predict(sl.average_lazy_model(X, Y, 100), scheme, patterns="moving")
    network = sl.ShallowReLU.initialize(50, 8, seed=0)
    with refused(ValueError, "lazy_model: n_neurons must be at least 1, got 0"):
        sl.lazy_model(network, X, Y, n_neurons=0)
    with refused(ValueError, "predict: patterns must be one of 'frozen', 'moving', got 'kinky'"):
        sl.predict(sl.lazy_model(network, X, Y), scheme, patterns="kinky")


@pytest.mark.parametrize(("rounds", "coverage"), [(1, 0.3), (7, 0.5), (40, 0.9), (3, 1.0)])
def test_neurons_are_selected_as_often_as_a_binomial_number_says(rounds, coverage):
    """20,000 neurons of one fixed draw against the exact chances; five standard errors, about 1e-6 for each count."""
    found = how_often_selected(20_000, rounds, coverage, 11)
    assert found.shape == (20_000, 1)
    chances = stats.binom.pmf(np.arange(rounds + 1), rounds, coverage)
    shares = np.bincount(found[:, 0], minlength=rounds + 1) / 20_000
    assert (np.abs(shares - chances) <= 5 * np.sqrt(chances * (1 - chances) / 20_000) + 1e-3).all()
    assert (found != how_often_selected(20_000, rounds, coverage, 12)).any() == (coverage < 1)
