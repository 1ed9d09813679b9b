"""step_size="auto" and "theory", against numbers computed another way."""

from dataclasses import replace

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.kernels import finite
from subnetlab.kernels.finite import largest_ntk_eigenvalue, largest_outputs_ntk_eigenvalue
from subnetlab.theory.setting import step_size_limit


def data_of(n, d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.uniform(-1, 1, n)


X, Y = data_of(7, 4)
NETWORK = sl.ShallowReLU.initialize(60, 4, seed=2)


def resolved(scheme, network=NETWORK, y=Y, **options):
    return sl.TrainingSession(network, X, y, scheme, **options).settings.step_size


def lambda_max(network, X, sample_weight=None):
    """The largest eigenvalue of J J', J the Jacobian of sqrt(s_i) f(x_i) by the weights, by power iteration."""
    s = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
    a = network.output_weights.reshape(network.width, -1)
    active = X @ network.weights.T >= 0
    J = np.einsum("i,ir,rc,ij->icrj", np.sqrt(s), active, a, X) / np.sqrt(network.width)
    J = J.reshape(len(X) * a.shape[1], -1)
    v = np.ones(len(J))
    for _ in range(2000):
        v = J @ (J.T @ v)
        v /= np.linalg.norm(v)
    return float(v @ (J @ (J.T @ v)))


def test_a_number_stays_as_it_is():
    assert resolved(sl.gradient_descent(1, 0.125)) == 0.125


@pytest.mark.parametrize(
    ("scheme", "share"),
    [
        (sl.gradient_descent(1), 1.0),
        (sl.dropout(0.3, 1), 0.3),
        (sl.multi_sample_dropout(4, 0.3, 1), 0.3 + np.sqrt(0.3 * 0.7 / 60 * 2 * np.log(4))),
        (sl.independent_subnets(4, 1, 5), 0.25 + np.sqrt(0.25 * 0.75 / 60 * 2 * np.log(4))),
        (sl.TrainingScheme(sl.FixedMasks(np.arange(60).reshape(1, 1, 60) < 15, 0.9), 1), 0.25),
    ],
    ids=["all", "dropout", "bernoulli", "categorical", "fixed"],
)
def test_auto_is_half_of_the_largest_stable_step_of_the_largest_subnetwork(scheme, share):
    assert resolved(scheme) == pytest.approx(1 / (share * lambda_max(NETWORK, X)), rel=1e-9)


def test_auto_knows_sample_weights():
    s = np.array([100.0, 0, 1, 2, 3, 0.5, 7])
    got = resolved(sl.gradient_descent(1), sample_weight=s)
    assert got == pytest.approx(1 / lambda_max(NETWORK, X, s), rel=1e-9)


def test_minibatches_add_the_noise_of_their_draws():
    """c max_i |x_i|^2 / 2 with c = (n / b) (n - b) / (n - 1): nothing for all rows, and here |x_i| = 1."""
    largest = 1 / resolved(sl.gradient_descent(1))
    for b, c in ((7, 0.0), (6, 7 / 6 * 1 / 6), (2, 7 / 2 * 5 / 6)):
        got = resolved(sl.TrainingScheme(sl.AllNeurons(), 1, batch_size=b))
        assert 1 / got == pytest.approx(largest + c / 2, rel=1e-9)


@pytest.mark.parametrize("outputs", [None, 3])
def test_auto_is_stable_for_other_output_weights(outputs):
    """max_r |a_r|^2 bounds what they add; a step is stable below 2 / lambda_max."""
    rng = np.random.default_rng(0)
    signs = 3 * rng.standard_normal((60,) if outputs is None else (60, outputs))
    network = sl.ShallowReLU(NETWORK.weights, signs)
    y = rng.standard_normal((7,) if outputs is None else (7, outputs))
    assert resolved(sl.gradient_descent(1), network, y) <= 1 / lambda_max(network, X)


def test_auto_trains_where_a_step_twice_the_stable_one_diverges():
    run = sl.train(NETWORK, X, Y, sl.gradient_descent(50))
    assert np.all(np.diff(run.history.full_error) < 0)
    with pytest.raises(sl.DivergenceError):
        sl.train(NETWORK, X, Y, sl.gradient_descent(400, 6 * run.settings.step_size))


@pytest.mark.parametrize(("p", "tau"), [(1, 1), (1, 5), (20, 3)])
def test_theory_is_the_least_of_the_limits_of_theorem_3(p, tau):
    lambda_0 = np.linalg.eigvalsh(sl.infinite_ntk(X, 0.4))[0]
    n = 7
    limits = [lambda_0 / (4 * n**2), lambda_0 / (48 * n * tau * max(n, p))]
    limits += [lambda_0 / (16 * (tau - 1) * n**2)] if tau > 1 else []
    scheme = sl.TrainingScheme(sl.Bernoulli(p, 0.4), 1, tau, "theory")
    assert resolved(scheme) == pytest.approx(min(limits), rel=1e-12)


def test_each_limit_of_theorem_3_is_the_least_somewhere():
    law = sl.Bernoulli(1, 0.5)
    assert step_size_limit(1.0, 1, law, 1) == 1 / 48
    assert step_size_limit(1.0, 10, sl.Bernoulli(100, 0.5), 2) == 1 / (48 * 10 * 2 * 100)
    assert step_size_limit(2.0, 10, law, 3) == 2 / (48 * 10 * 3 * 10)


def test_theory_of_categorical_masks_is_the_limit_of_theorem_4():
    lambda_0 = np.linalg.eigvalsh(sl.infinite_ntk(X, 0.25))[0]
    assert resolved(sl.independent_subnets(4, 1, 9, "theory")) == pytest.approx(lambda_0 / (4 * 49), rel=1e-12)


def test_theory_refuses_parallel_rows():
    """Two equal rows, and three antipodal pairs in the plane, have lambda_0 = 0; rounding may leave it just above."""
    angles = np.array([0.0, 1.0, 2.0])
    half = np.column_stack([np.cos(angles), np.sin(angles)])
    network = sl.ShallowReLU.initialize(10, 2)
    for rows in (np.vstack([half, -half]), np.vstack([half, half])):
        with pytest.raises(ValueError, match=r"^train: step_size='theory' needs lambda_0 > 0, got .*parallel\?$"):
            sl.train(network, rows, np.ones(6), sl.gradient_descent(1, "theory"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shards": 2}, "train: step_size='theory' does not cover shards=2"),
        ({"batch_size": 3}, "train: step_size='theory' does not cover batch_size=3"),
        ({"unselected": "zero"}, "train: step_size='theory' does not cover unselected=zero"),
        ({"masks": sl.FixedMasks(np.ones((1, 2, 20), bool), 0.5)}, "theory: masks must follow one of the laws"),
        (
            {"masks": sl.Balanced(2)},
            "train: step_size='theory' needs neurons that are drawn independently, not those of equal parts",
        ),
        ({"masks": sl.Categorical(2, (0.3, 0.7))}, "theory: categorical masks must be uniform"),
    ],
)
def test_theory_refuses_schemes_that_no_theorem_covers(changes, message):
    scheme = replace(sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=1, step_size="theory"), **changes)
    with pytest.raises(ValueError, match=message):
        sl.train(sl.ShallowReLU.initialize(20, X.shape[1]), X, Y, scheme)


def test_the_largest_eigenvalue_dense_and_by_lanczos(monkeypatch):
    rows, _ = data_of(60, 5, seed=1)
    network = sl.ShallowReLU.initialize(300, 5)
    dense = largest_ntk_eigenvalue(network, rows)
    assert dense == pytest.approx(lambda_max(network, rows), rel=1e-9)
    monkeypatch.setattr("subnetlab.kernels.finite._DENSE_ROWS", 10)
    monkeypatch.setattr("subnetlab.kernels.finite._BLOCK_ENTRIES", 60 * 7)  # blocks of seven neurons
    assert largest_ntk_eigenvalue(network, rows) == pytest.approx(dense, rel=1e-3)


def test_theory_refuses_rows_that_have_no_unit_norm(refused):
    """The limits of the theorems are for unit rows; twice the rows have four times lambda_0."""
    network = sl.ShallowReLU.initialize(50, 2)
    with refused(ValueError, "train: step_size='theory' needs rows of norm 1: divide each row of X by its norm"):
        sl.train(network, 2 * np.eye(2), np.ones(2), sl.gradient_descent(1, "theory"))


def test_auto_needs_an_active_neuron(refused):
    dead = sl.ShallowReLU(-np.ones((3, 2)), np.ones(3))
    message = "train: step_size='auto' needs lambda_max > 0, got 0: no neuron is active on any row of X"
    with refused(ValueError, message):
        sl.train(dead, np.eye(2), np.ones(2), sl.gradient_descent(1))
    assert sl.train(dead, np.eye(2), np.ones(2), sl.gradient_descent(1, 0.1)).history.full_error.tolist() == [2.0, 2.0]


def test_auto_must_be_finite():
    network = sl.ShallowReLU(np.ones((2, 1)), np.ones(2))
    message = r"^train: step_size='auto' must be finite, got 1 / lambda_max at lambda_max = \S+e-32\d: rows of X or"
    with pytest.raises(ValueError, match=message):
        sl.train(network, [[1.0]], [1.0], sl.gradient_descent(1), sample_weight=[2.0**-1070])


def outputs_kernel(network, rows):
    """The kernel of all outputs together, entry by entry from the gradients of the outputs."""
    a = network.output_weights
    active = rows @ network.weights.T >= 0  # (n, m)
    gradients = np.einsum("nm,mo,nd->onmd", active, a, rows) / np.sqrt(len(a))
    flat = gradients.reshape(a.shape[1] * len(rows), -1)
    return flat @ flat.T


@pytest.mark.parametrize("seed", [2564, 2567, 2569, 2572, 2579])
def test_no_symmetry_hides_the_largest_eigenvalue(seed):
    """ARPACK ends at half of it, or fails, from a vector of ones on these networks and unit vectors."""
    network, rows = sl.ShallowReLU.initialize(15, 4, seed=seed, n_outputs=2), np.eye(4)
    largest = np.linalg.eigvalsh(outputs_kernel(network, rows))[-1]
    assert largest_outputs_ntk_eigenvalue(network, rows) == pytest.approx(largest, rel=1e-3)
    sl.train(network, rows, np.array([[3.0, -1.0], [1.0, 1.0], [0.0, 2.0], [-2.0, 1.0]]), sl.gradient_descent(200))


def test_outputs_that_are_each_others_opposites():
    """Their kernel maps a vector of ones to zero."""
    rows, y = data_of(30, 4, seed=2)
    start = sl.ShallowReLU.initialize(60, 4)
    signs = np.stack([start.output_weights, -start.output_weights], axis=1)
    network = sl.ShallowReLU(start.weights, signs)
    twice = 2 * lambda_max(start, rows)
    assert largest_outputs_ntk_eigenvalue(network, rows) == pytest.approx(twice, rel=1e-3)
    run = sl.train(network, rows, np.stack([y, -y], axis=1), sl.gradient_descent(20))
    assert run.history.full_error[-1] < run.history.full_error[0]


@pytest.mark.parametrize("spread", [1.0, 1e-3, 0.0])
def test_eigenvalues_of_any_operator(spread):
    """Eigenvectors that ARPACK's vector of ones does not see, one of them the top one; all equal; zero."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(np.column_stack([np.ones(200), rng.standard_normal((200, 199))]))[0]
    values = np.append(np.full(199, 1.0), 1.0 + spread)
    H = (Q * values) @ Q.T
    assert finite._lanczos(lambda v: H @ v, 200) == pytest.approx(1 + spread, rel=2e-3)
    assert finite._lanczos(lambda v: np.zeros(200), 200) == 0
