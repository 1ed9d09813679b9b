"""The linearized prediction for long runs: its recursion, its limit and what makes it settle."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.linearized import mean_square_rate
from subnetlab.theory.round_map import RoundMap
from subnetlab.theory.slow_time import SlowNeurons


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X, Y = rows(5, 4), np.array([0.8, -0.5, 0.25, -1.0, 1.0])
LAWS = [(sl.Bernoulli(4, 0.5), 1), (sl.Bernoulli(2, 0.3), 3), (sl.Categorical(3), 2)]


def every_neuron(network, masks, tau, eta):
    """P_r, g_r, S and H as sums and powers."""
    m, xi = network.width, masks.selection_prob
    D = (X @ network.weights.T >= 0).T.astype(float)
    P = np.array([np.outer(row, row) * (X @ X.T) / m for row in D])
    g = D * (network.weights @ X.T) * network.output_weights[:, None] / np.sqrt(m)
    H = xi * P.sum(axis=0)
    S = eta * sum(np.linalg.matrix_power(np.eye(len(X)) - eta * H, t) for t in range(tau))
    return P, g, S, H


@pytest.mark.parametrize(("masks", "tau"), LAWS)
def test_the_recursion_of_means_and_second_moments_neuron_by_neuron(masks, tau):
    """All 30 neurons by n x n matrices, 40 rounds one by one; second moments are averages over the signs a_r."""
    eta, y = 0.7, Y
    network = sl.ShallowReLU.initialize(30, 4, seed=1)
    numbers = RoundMap.of(masks, eta, tau)
    xi, theta, own = numbers.selection_prob, numbers.coverage, numbers.own
    P, g, S, _ = every_neuron(network, masks, tau, eta)
    followed = SlowNeurons(sl.lazy_model(network, X, y), numbers)
    mu, answer, e = g.copy(), np.zeros_like(g), xi * g.sum(axis=0) - y
    M = g[:, :, None] * g[:, None, :]
    for _ in range(40):
        C = M.sum(axis=0)
        np.testing.assert_allclose(followed.activations(), C, rtol=1e-8, atol=1e-11)
        output, B = followed.answer_to(1)
        pushed = (P @ S @ (e + (1 - xi) * mu)[:, :, None])[:, :, 0]
        np.testing.assert_allclose(output - B @ e, xi * (mu - theta * pushed).sum(axis=0), rtol=1e-7, atol=1e-10)
        followed.advance(e, C, 1)
        for r in range(30):
            PS = P[r] @ S
            drift = theta * ((1 - xi) * PS @ M[r] + np.outer(PS @ e, answer[r]))
            M[r] = M[r] - drift - drift.T + own * xi * (1 - xi) * PS @ C @ PS.T
            answer[r] = answer[r] - theta * PS @ (e + (1 - xi) * answer[r])
            mu[r] = mu[r] - theta * PS @ (e + (1 - xi) * mu[r])
        e = xi * mu.sum(axis=0) - y


@pytest.mark.parametrize(("masks", "tau"), LAWS)
def test_steps_of_many_rounds_are_many_steps(masks, tau):
    network = sl.ShallowReLU.initialize(30, 4, seed=1)
    one, many = (SlowNeurons(sl.lazy_model(network, X, Y), RoundMap.of(masks, 0.7, tau)) for _ in range(2))
    error, C = np.array([0.3, -0.1, 0.2, 0.0, 0.4]), one.activations()
    for _ in range(7):
        one.advance(np.zeros(5), C, 1)
    many.advance(np.zeros(5), C, 7)
    np.testing.assert_allclose(one.activations(), many.activations(), rtol=1e-10, atol=1e-13)
    output, B = many.answer_to(7)
    for _ in range(7):
        one.advance(error, C, 1)
    np.testing.assert_allclose(one.answer_to(0)[0], output - B @ error, rtol=1e-9, atol=1e-12)
    many.advance(error, C, 7)
    np.testing.assert_allclose(many.answer_to(0)[0], output - B @ error, rtol=1e-9, atol=1e-12)


def plain_training(network, masks, tau, eta, rounds, seed):
    """Algorithm 1 with the patterns of the start, by weights: |y - u_k|^2."""
    m, xi = network.width, masks.selection_prob
    J = (X @ network.weights.T >= 0).T[:, :, None] * X * network.output_weights[:, None, None] / np.sqrt(m)  # (m, n, d)
    W, rng, errors = network.weights.copy(), np.random.default_rng(seed), []
    for _ in range(rounds):
        errors.append(np.sum((xi * np.einsum("rnd,rd->n", J, W) - Y) ** 2))
        if isinstance(masks, sl.Categorical):
            chosen = rng.integers(masks.n_subnetworks, size=m) == np.arange(masks.n_subnetworks)[:, None]
        else:
            chosen = rng.random((masks.n_subnetworks, m)) < xi
        total = np.zeros_like(W)
        for mask in chosen:
            part = J[mask]
            local = W[mask]
            for _ in range(tau):
                local = local - eta * np.einsum("rnd,n->rd", part, np.einsum("rnd,rd->n", part, local) - Y)
            total[mask] += local - W[mask]
        W = W + total / np.maximum(chosen.sum(axis=0), 1)[:, None]
    return np.array(errors)


def test_the_plateau_is_left_after_some_m_rounds():
    """200 neurons, 600 rounds of a plain loop with draws of its own, 20 seeds; at the end it is 8 times lower."""
    masks = sl.Bernoulli(4, 0.5)
    network = sl.ShallowReLU.initialize(200, 4, seed=2)
    model = sl.lazy_model(network, X, Y)
    eta = 1 / model.eigenvalues[-1]
    prediction = sl.predict(model, sl.TrainingScheme(masks, rounds=600, step_size=eta), patterns="frozen")
    runs = np.array([plain_training(network, masks, 1, eta, 600, seed) for seed in range(20)])
    for first, last in ((20, 50), (50, 100), (100, 200), (300, 600)):
        measured = runs[:, first:last].mean(axis=1)
        allowed = 4 * measured.std(ddof=1) / np.sqrt(20) + 0.05 * measured.mean()
        assert abs(measured.mean() - prediction.full_error[first:last].mean()) <= allowed
    assert runs[:, 500:].mean() < prediction.plateau / 8


def one_row(masks, eta, m=60):
    network = sl.ShallowReLU.initialize(m, 3, seed=0)
    x, y = np.array([[0.6, 0.8, 0.0]]), np.array([0.9])
    model = sl.lazy_model(network, x, y)
    return model, RoundMap.of(masks, eta, 2), int(np.sum(x @ network.weights.T >= 0))


@pytest.mark.parametrize("masks", [sl.Bernoulli(3, 0.4), sl.Categorical(4)])
def test_the_limit_of_one_row_in_closed_form(masks):
    """A active neurons that share the target equally, and what their noise keeps up of C."""
    model, numbers, A = one_row(masks, 0.9)
    xi, theta = numbers.selection_prob, numbers.coverage
    shrink = (1 - 0.9 * xi * A / 60) ** 2
    error = -0.9 * (1 - xi) / (1 - xi + xi * A)
    kept_up = numbers.own * (1 - shrink) / (2 * theta)
    limit = SlowNeurons(model, numbers).limit(np.array([0.9]))
    assert limit.error[0] == pytest.approx(error, rel=1e-9)
    assert limit.activations[0, 0] == pytest.approx(A * error**2 / (1 - xi) ** 2 / (1 - kept_up), rel=1e-5)
    assert mean_square_rate(model, numbers) == pytest.approx(max((1 - theta * (1 - shrink)) ** 2, kept_up), rel=1e-6)


@pytest.mark.parametrize(("masks", "tau"), LAWS)
def test_the_curve_ends_at_the_floor(masks, tau):
    model = sl.lazy_model(sl.ShallowReLU.initialize(40, 4, seed=1), X, Y)
    scheme = sl.TrainingScheme(masks, rounds=300_000, local_steps=tau, step_size=0.7)
    prediction = sl.predict(model, scheme, patterns="frozen")
    assert prediction.full_error[-1] == pytest.approx(prediction.floor, rel=0.03)
    if tau == 1:
        assert prediction.floor < 0.5 * prediction.plateau


def test_steps_that_are_stable_for_the_mean_are_so_for_the_mean_square():
    """The bound of the docstring, for a step near 2 / h and laws with much noise of their own."""
    model = sl.lazy_model(sl.ShallowReLU.initialize(80, 4, seed=1), X, Y)
    for masks in (sl.Bernoulli(1, 0.1), sl.Bernoulli(5, 0.3), sl.Categorical(6)):
        eta = 1.99 / (masks.selection_prob * model.eigenvalues[-1])
        numbers = RoundMap.of(masks, eta, 1)
        growth = SlowNeurons(model, numbers).growth()
        assert 0.05 < growth <= numbers.own / numbers.coverage * 1.99 / 2 + 1e-9
    too_large = RoundMap.of(sl.Bernoulli(1, 0.9), 2.5 / (0.9 * model.eigenvalues[-1]), 1)
    assert mean_square_rate(model, too_large) > 1
