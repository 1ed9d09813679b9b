"""The linearized prediction for long runs: its recursion, its limit and what makes it settle."""

from fractions import Fraction

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


def changed_pull(H, kernel, eta, tau):
    """The change of eta sum_t (1 - eta H)^t with H."""
    G = np.eye(len(H)) - eta * H
    power = np.linalg.matrix_power
    terms = [power(G, i) @ kernel @ power(G, t - 1 - i) for t in range(tau) for i in range(t)]
    return -(eta**2) * sum(terms, np.zeros_like(H))


def settled_noise(numbers, gain, C):
    """F = (1 - theta gain) F (1 - theta gain)' + theta^2 gain N gain', round by round."""
    left, F = np.eye(len(C)) - numbers.coverage * gain, np.zeros_like(C)
    added = numbers.coverage**2 * gain @ (numbers.shared * numbers.mask_variance * C) @ gain.T
    for _ in range(3000):
        F = left @ F @ left.T + added
    return F


@pytest.mark.parametrize(("masks", "tau"), LAWS)
def test_the_recursion_of_means_and_second_moments_neuron_by_neuron(masks, tau):
    """All 30 neurons by n x n matrices, 40 rounds one by one; second moments are averages over the signs a_r."""
    eta, y = 0.7, Y
    network = sl.ShallowReLU.initialize(30, 4, seed=1)
    numbers = RoundMap.of(masks, eta, tau)
    xi, theta, own = numbers.selection_prob, numbers.coverage, numbers.own
    P, g, S, H = every_neuron(network, masks, tau, eta)
    T = np.array([changed_pull(H, kernel, eta, tau) for kernel in P])
    followed = SlowNeurons(sl.lazy_model(network, X, y), numbers)
    mu, answer, e = g.copy(), np.zeros_like(g), xi * g.sum(axis=0) - y
    M = g[:, :, None] * g[:, None, :]
    for _ in range(40):
        C = M.sum(axis=0)
        np.testing.assert_allclose(followed.activations(), C, rtol=1e-8, atol=1e-11)
        output, B = followed.answer_to(1)
        w, F = S @ e, settled_noise(numbers, S @ H, C)
        for _ in range(100):  # b is that of the end of the round
            pushed = (P @ (w + (1 - xi) * mu @ S)[:, :, None])[:, :, 0]
            w = S @ e + xi * (1 - xi) * np.einsum("rij,rj->i", T, mu - theta * pushed)
        np.testing.assert_allclose(output - B @ e, xi * (mu - theta * pushed).sum(axis=0), rtol=1e-7, atol=1e-10)
        followed.advance(e, C, 1)
        for r in range(30):
            PS = P[r] @ S
            drift = theta * ((1 - xi) * PS @ M[r] + np.outer(P[r] @ w, answer[r]))
            M[r] = M[r] - drift - drift.T + PS @ (own * xi * (1 - xi) * C + theta * (1 - theta) * F) @ PS.T
            answer[r] = answer[r] - theta * (P[r] @ w + (1 - xi) * PS @ answer[r])
            mu[r] = mu[r] - theta * (P[r] @ w + (1 - xi) * PS @ mu[r])
        e = xi * mu.sum(axis=0) - y


@pytest.mark.parametrize(("masks", "tau"), LAWS)
def test_steps_of_many_rounds_are_many_steps(masks, tau):
    network = sl.ShallowReLU.initialize(30, 4, seed=1)
    one, many = (SlowNeurons(sl.lazy_model(network, X, Y), RoundMap.of(masks, 0.7, tau)) for _ in range(2))
    error, C = np.array([0.3, -0.1, 0.2, 0.0, 0.4]), one.activations()
    near = {"rtol": 1e-9, "atol": 1e-12} if tau == 1 else {"rtol": 0.04, "atol": 1e-3}  # b is that of the end
    for _ in range(7):
        one.advance(np.zeros(5), C, 1)
    many.advance(np.zeros(5), C, 7)
    np.testing.assert_allclose(one.activations(), many.activations(), **near)
    output, B = many.answer_to(7)
    for _ in range(7):
        one.advance(error, C, 1)
    np.testing.assert_allclose(one.answer_to(0)[0], output - B @ error, **near)
    many.advance(error, C, 7)
    np.testing.assert_allclose(many.answer_to(0)[0], output - B @ error, **near)


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
    gain, h = theta * (1 - shrink), xi * A / 60
    bent = 0.9 * 2 * h * (1 - 0.9 * h) / (1 - shrink)  # the derivative of h S over S
    pushing = -0.9 * (1 - xi) / ((1 - xi) * bent + xi * A)
    error = bent * pushing
    kept_up = (numbers.own + theta * (1 - theta) * numbers.shared * gain / (2 - gain)) * (1 - shrink) / (2 * theta)
    limit = SlowNeurons(model, numbers).limit(np.array([0.9]))
    assert limit.error[0] == pytest.approx(error, rel=1e-9)
    assert limit.activations[0, 0] == pytest.approx(A * pushing**2 / (1 - xi) ** 2 / (1 - kept_up), rel=1e-5)
    assert mean_square_rate(model, numbers) == pytest.approx(max((1 - gain) ** 2, kept_up), rel=1e-6)


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
        assert 0.05 < growth <= numbers.mean_step / numbers.coverage * 1.99 / 2 + 1e-9
    too_large = RoundMap.of(sl.Bernoulli(1, 0.9), 2.5 / (0.9 * model.eigenvalues[-1]), 1)
    assert mean_square_rate(model, too_large) > 1


@pytest.mark.parametrize(("masks", "limit"), [(sl.Bernoulli(1, 0.2), 2.0), (sl.Bernoulli(3, 0.3), 2.2016)])
def test_the_largest_step_of_one_row_that_is_stable_in_the_mean_square(masks, limit):
    """By hand, (s - 2) theta^2 s / (p (2 - theta s)) + s E[eta_r] = 2 theta for s = eta h; the mean allows 10 and 3."""
    x = np.array([[1.0, 0.0]])
    model = sl.lazy_model(sl.ShallowReLU.initialize(100, 2, seed=0), x, np.ones(1))
    h = masks.selection_prob * model.eigenvalues[-1]
    below, above = (mean_square_rate(model, RoundMap.of(masks, share * limit / h, 1)) for share in (0.999, 1.001))
    assert below < 1 < above


@pytest.mark.parametrize(
    ("masks", "tau", "share", "rounds"),
    [(sl.Bernoulli(1, 0.5), 1, 0.9, 1500), (sl.Categorical(2), 2, 0.4, 3000), (sl.Categorical(2), 1, 0.4, 3000)],
    ids=["a step near the largest", "several local steps", "products of neurons"],
)
def test_training_ends_where_it_is_predicted_to(masks, tau, share, rounds):
    """What is left after several m / (eta lambda) rounds, in the mean of the last half and of eight seeds."""
    network = sl.ShallowReLU.initialize(100, 4, seed=2)
    model = sl.lazy_model(network, X, Y)
    eta = share * 2 / (masks.selection_prob * model.eigenvalues[-1])
    scheme = sl.TrainingScheme(masks, rounds=rounds, local_steps=tau, step_size=eta)
    predicted = sl.predict(model, scheme, patterns="frozen").full_error[rounds // 2 : -1].mean()
    runs = np.array([plain_training(network, masks, tau, eta, rounds, seed) for seed in range(8)])
    measured = runs[:, rounds // 2 :].mean(axis=1)
    allowed = 4 * measured.std(ddof=1) / np.sqrt(8) + 0.12 * measured.mean()
    assert abs(measured.mean() - predicted) <= allowed


@pytest.mark.parametrize("distance", [0.0, 1e-9, 1e-7, 1e-5])
@pytest.mark.parametrize("masks", [sl.Bernoulli(4, 0.5), sl.Categorical(4), sl.AllNeurons()])
def test_rows_that_repeat_have_a_floor_however_near_they_are(masks, distance):
    """Of labels a + 0.3 and a - 0.3 on one row, 2 * 0.3^2 stays besides; long courses end there."""
    rows = np.random.default_rng(1).normal(size=(4, 5))
    rows[1] = rows[0] + distance * rows[2]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scheme = sl.TrainingScheme(masks, rounds=20_000, step_size=0.3)
    ends = []
    for apart in (0.0, 0.3):
        model = sl.lazy_model(
            sl.ShallowReLU.initialize(50, 5, seed=0), rows, np.array([1 + apart, 1 - apart, -0.5, 0.3])
        )
        predicted = sl.predict(model, scheme, patterns="frozen")
        ends.append(predicted.floor)
        if distance == 0:
            assert predicted.full_error[-1] == pytest.approx(predicted.floor, rel=1e-3, abs=1e-20)
            assert predicted.floor <= predicted.plateau or isinstance(masks, sl.Categorical)
    assert np.isfinite(ends).all()
    if distance == 0:
        assert ends[1] - ends[0] == pytest.approx(2 * 0.3**2, rel=1e-9)


def test_a_gain_of_a_tiny_eigenvalue_is_not_lost_in_rounding():
    numbers = RoundMap.of(sl.Bernoulli(2, 0.5), 0.01, 7)
    exact = [0.75 * (1 - (1 - Fraction(1, 100) * Fraction(h)) ** 7) for h in (1e-20, 1e-9, 1.0, 49.0, 120.0)]
    found = numbers.gain(np.array([1e-20, 1e-9, 1.0, 49.0, 120.0]))
    np.testing.assert_allclose(found, np.array(exact, dtype=float), rtol=1e-14)
