"""The theorems as records: formulas by hand, limits, bad input, and bounds against real runs."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.constants import bernoulli_constants, categorical_floor, movement_bound, movement_radius
from subnetlab.theory.convergence import movement_width
from subnetlab.theory.hypothesis1 import local_movement_bound
from subnetlab.theory.table import THEOREMS, all_promises
from subnetlab.theory.theorem4 import theorem4


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


THREE_HALVES = sl.Bernoulli(3, 0.5)
X, Y = rows(5, 6), np.array([0.5, -0.5, 0.25, -1.0, 1.0])


def setting(masks=THREE_HALVES, tau=2, width=1000, eta="theory", rounds=10, **more):
    scheme = sl.TrainingScheme(masks, rounds=rounds, local_steps=tau, step_size=eta)
    return sl.theory_setting(X, Y, scheme, width=width, **more)


def test_printed_floor_by_hand():
    """Term by term from the page, with exact fractions where they are exact."""
    s = setting(eta=1e-4, init_scale=0.5)
    n, d, m, p, tau, eta, xi, lam0 = 5, 6, 1000, 3, 2, 1e-4, 0.5, s.smallest_eigenvalue
    theta = float(1 - Fraction(1, 2) ** 3)
    kappa2 = 0.25
    C1 = 4 * theta**2 * (1 - xi) * n * kappa2 / p
    B1 = (
        64 * (1 - xi) ** 2 * kappa2 * n**3 * d / (m * lam0**2)
        + 68 * eta * tau * (theta - xi**2) * n**3 * kappa2 / (p * lam0)
        + (theta - xi**2) * n * kappa2 / (6 * tau**2 * p)
        + (tau - 1) ** 2 * p * C1 / (24 * tau**2)
        + 8 * eta**2 * (tau - 1) ** 2 * n**4 * p * C1 / lam0**2
        + 4 * eta * (tau - 1) * p * n * C1
    )
    constants = bernoulli_constants(s, "paper")
    assert constants.local_spread == pytest.approx(C1)
    assert constants.error_floor == pytest.approx(B1)


def test_what_a_setting_knows_of_targets():
    s = setting(sl.Bernoulli(2, 0.5), init_scale=0.7)
    assert s.target_bound == 2.0  # |y_i| <= C - 1
    assert s.initial_error == pytest.approx(Y @ Y + 5 * 0.5**2 * 0.7**2 / 2)


def test_exact_spreads_by_enumeration():
    """What Lemmas 3 and 24 bound, with the true moments, by all masks of a tiny network (m = 4, p = 2)."""
    net = sl.ShallowReLU.initialize(4, 6, seed=2)
    s = np.maximum(net.weights @ X.T, 0)  # (m, n)
    xi, m = 0.5, 4
    u = xi * net.output_weights @ s / 2
    spread, local = np.zeros(m), np.zeros(m)
    selected = np.zeros(m)
    for code in range(2**8):
        masks = np.array([code >> b & 1 for b in range(8)]).reshape(2, 4).astype(float)
        X_r = masks.sum(axis=0)
        eta = np.divide(1, X_r, out=np.zeros(m), where=X_r > 0)
        f = (masks * net.output_weights) @ s / 2  # (p, n)
        mixing = eta[:, None] * (masks.T @ f)  # (m, n)
        spread += np.where(X_r > 0, np.sum((mixing - u) ** 2, axis=1), 0) / 256
        selected += (X_r > 0) / 256
        local += eta**2 * (masks.T @ np.sum((u - f) ** 2, axis=1)) / 256
    moments = setting(sl.Bernoulli(2, 0.5)).moments
    v, e = float(moments.pair_variance), float(moments.mean_step)
    T = np.sum(s**2, axis=0)
    exact_spread = np.sum(v * (T - s**2) + (1 - xi) ** 2 * s**2, axis=1) / m
    exact_local = e * np.sum(xi * (1 - xi) * (T - s**2) + (1 - xi) ** 2 * s**2, axis=1) / m
    np.testing.assert_allclose(spread / selected, exact_spread)
    np.testing.assert_allclose(local, exact_local)


@pytest.mark.parametrize("name", ["paper", "repaired"])
def test_full_selection_is_gradient_descent(name):
    """xi = 1: theta = 1, B1 = 0, and the bound is (1 - eta lambda_0 / 4)^k of the classical theorem."""
    s = setting(sl.Bernoulli(1, 1.0), tau=1, eta=1e-3)
    promise = THEOREMS["theorem3"](s, name)
    assert s.coverage == 1
    assert promise.floor == 0
    lam0 = sl.smallest_eigenvalue(sl.infinite_ntk(X))
    expected = (1 - 1e-3 * lam0 / 4) ** np.arange(11) * s.initial_error
    np.testing.assert_allclose(promise.bound, expected, rtol=1e-12)
    assert not promise.vacuous
    same = THEOREMS["theorem3"](setting(sl.AllNeurons(), tau=1, eta=1e-3), name)
    np.testing.assert_array_equal(same.bound, promise.bound)


def test_categorical_floor_by_hand_and_shrinking_with_width():
    s = setting(sl.Categorical(4), tau=3, eta=1e-4)
    expected = 64 * 3 * 9 * 125 * 6 / (0.25 * s.smallest_eigenvalue**2 * 1000)
    assert categorical_floor(s) == pytest.approx(expected)
    assert theorem4(s).floor == pytest.approx(expected)
    assert theorem4(setting(sl.Categorical(4), tau=3, eta=1e-4, width=10_000)).floor == pytest.approx(expected / 10)
    assert theorem4(setting(sl.Categorical(1), tau=3, eta=1e-4)).floor == 0
    assert theorem4(s).rate == pytest.approx(0.5 + 0.5 * (1 - 1e-4 * s.smallest_eigenvalue / 2) ** 3)


def test_the_repaired_theorem_4_by_hand():
    s = setting(sl.Categorical(4), tau=3, eta=1e-4, init_scale=0.5)
    promise = theorem4(s, "repaired")
    q = (1 - 1e-4 * s.smallest_eigenvalue / 2) ** 3
    spread = 4 * 0.25 * 0.75 * 5 * 0.25
    assert promise.rate == pytest.approx(q)
    assert promise.floor == pytest.approx(q * spread / (1 - q), rel=1e-9)
    np.testing.assert_allclose(promise.bound, q ** np.arange(11) * s.initial_error + promise.floor, rtol=1e-9)
    assert theorem4(setting(sl.Categorical(1), tau=3, eta=1e-4), "repaired").floor == 0
    assert THEOREMS["hypothesis1"](s, "repaired").applies


def test_the_steps_of_the_repaired_proof_of_theorem_4():
    """Over all 2^6 categorical masks of 6 neurons: the mean of errors splits exactly, and convexity after training."""
    net = sl.ShallowReLU.initialize(6, 6, seed=3)
    u, s = net.output(X, 0.5), np.maximum(X @ net.weights.T, 0)
    spread = []
    for bits in range(2**6):
        first = np.array([bits >> r & 1 for r in range(6)], bool)
        f = [net.subnetwork_output(X, mask) for mask in (first, ~first)]
        np.testing.assert_allclose((f[0] + f[1]) / 2, u, atol=1e-14)
        error = np.mean([np.sum((Y - one) ** 2) for one in f])
        apart = np.mean([np.sum((one - u) ** 2) for one in f])
        assert error == pytest.approx(np.sum((Y - u) ** 2) + apart)
        spread.append(apart)
    assert np.mean(spread) == pytest.approx(0.5 * 0.5 * np.sum(s**2) / 6)
    scheme = sl.TrainingScheme(sl.Categorical(3), rounds=30, local_steps=4, step_size=0.5)
    history = sl.train(net, X, Y, scheme, engine="reference").history
    assert np.all(history.full_error[1:] <= history.local_error[:, -1] * (1 + 1e-12))


def test_widths_by_hand():
    """n = 5, d = 6, K = 10, p = 3, xi = 1/2, delta = 0.1, kappa = 1."""
    s = setting()
    lam0 = s.smallest_eigenvalue
    kernels = max(
        8 * 25 / lam0**2 * math.log(4 * 25 * 10 * 3 / 0.1), 120 * 5 / (0.5 * lam0) * math.log(2 * 25 * 30 / 0.1)
    )
    initial = 192 * 5 / lam0 * math.log(5 / 0.1)
    conditions = {c.name: c for c in THEOREMS["theorem3"](s, "paper").conditions}
    assert conditions["width for the kernels (Theorem 2)"].limit == pytest.approx(kernels)
    assert conditions["width for the initial weights (Lemmas 16, 22, 23)"].limit == pytest.approx(initial)
    theorem2 = THEOREMS["theorem2"](s, "paper")
    assert theorem2.conditions[0].limit == pytest.approx(kernels)
    assert theorem2.conditions[1].limit == pytest.approx(lam0 / (12 * 5))


def test_movement_width_solves_its_equation():
    s = setting()
    alpha = s.step_size * s.coverage * 2 * s.smallest_eigenvalue / 4
    width = movement_width(s, lambda other: movement_bound(other, alpha, 1.0), movement_radius(s))
    assert movement_bound(replace(s, width=width), alpha, 1.0) == pytest.approx(movement_radius(s), rel=1e-5)


def test_the_theorems_can_be_met():
    """One row, so lambda_0 = 1/2: at an absurd width every hypothesis holds, and the bound is not vacuous."""
    x = np.array([[0.6, 0.8]])
    s = sl.theory_setting(x, np.array([1.0]), sl.gradient_descent(20_000, 6e-4), width=10**14)
    promise = THEOREMS["theorem3"](s, "repaired")
    assert [c.name for c in promise.conditions if not c.met] == []
    assert promise.met
    assert promise.vacuous is False
    assert all(c.margin >= 1 for c in promise.conditions)
    narrow = sl.theory_setting(x, np.array([1.0]), sl.gradient_descent(2000, "theory"), width=100)
    assert not THEOREMS["theorem3"](narrow, "repaired").met


def test_every_statement_has_both_versions():
    promises = all_promises(setting())
    assert set(promises) == set(THEOREMS)
    for paper, repaired in promises.values():
        assert (paper.constants, repaired.constants) == ("paper", "repaired")
        assert paper.applies == bool(not paper.reason)
    paper, repaired = promises["theorem3"]
    assert 0 < repaired.floor != paper.floor
    assert paper.vacuous
    assert promises["corollary1"][0].reason == "it is about dropout: p = 1 and tau = 1"
    assert "categorical masks" in promises["theorem4"][0].reason


def test_corollaries_are_theorem_3_with_their_assumptions():
    s = setting(sl.Bernoulli(1, 0.5), tau=1, init_scale=5**-0.5, rounds=5)
    corollary, theorem = THEOREMS["corollary1"](s, "paper"), THEOREMS["theorem3"](s, "paper")
    np.testing.assert_array_equal(corollary.bound, theorem.bound)
    assert corollary.rate == pytest.approx(1 - s.step_size * 0.5 * s.smallest_eigenvalue / 4)  # theta = xi
    met = {c.name: c.met for c in corollary.conditions}
    assert met["kappa (n^(-1/2))"]
    assert not met["max{K, d} <= n"]  # d = 6 and n = 5
    assert "order 0.5" in corollary.notes[-1]
    categorical = THEOREMS["corollary3"](setting(sl.Categorical(2)), "paper")
    assert not categorical.applies


def test_hypothesis_1_rate_and_local_movement():
    s = setting(eta=1e-4)
    promise = THEOREMS["hypothesis1"](s, "paper")
    assert promise.rate == pytest.approx(1 - 1e-4 * s.smallest_eigenvalue / 2)
    expected = 1e-4 * 2 * math.sqrt(2 * 5 * 10 / 100) * 3
    expected += 2 * 1e-4 * 2 * 5 * math.sqrt(2 * 0.25 * 3 * 10 / 100)
    assert local_movement_bound(s, 3.0) == pytest.approx(expected)
    assert THEOREMS["hypothesis1"](setting(sl.Categorical(2)), "paper").applies
    assert THEOREMS["hypothesis1"](setting(sl.Categorical(2)), "repaired").applies


@pytest.mark.parametrize("masks", [sl.Bernoulli(3, 0.5), sl.Categorical(2), sl.AllNeurons()])
def test_bounds_hold_on_real_runs(masks):
    name = "theorem4" if isinstance(masks, sl.Categorical) else "theorem3"
    scheme = sl.TrainingScheme(masks, rounds=50, local_steps=2, step_size="theory")
    net = sl.ShallowReLU.initialize(2000, 6, seed=0)
    s = sl.theory_setting(X, Y, scheme, network=net)
    measured = sl.train(net, X, Y, scheme).history.full_error
    assert s.initial_error == pytest.approx(measured[0])
    for constants in ("paper", "repaired"):
        assert np.all(measured <= THEOREMS[name](s, constants).bound * (1 + 1e-12))


def test_rounds_needed():
    promise = THEOREMS["theorem3"](setting(sl.AllNeurons(), tau=1, eta=1e-3), "paper")
    k = promise.rounds_needed(0.01)
    assert promise.rate**k * promise.initial_error == pytest.approx(0.01)
    assert promise.rounds_needed(1e9) == 0
    with pytest.raises(ValueError, match="excess must be above 0"):
        promise.rounds_needed(0.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_parallel_rows_are_named_by_every_theorem(sign):
    bad = np.vstack([X, sign * X[1]])
    scheme = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=3, step_size=0.1)
    s = sl.theory_setting(bad, np.append(Y, 0.0), scheme, width=100)
    kind = "parallel" if sign > 0 else "antipodal"
    first, _ = all_promises(s)["theorem1"]
    assert not first.met
    if sign > 0:  # one antipodal pair alone leaves lambda_0 > 0
        assert f"rows 1 and 5 of X are {kind}" in first.notes[-1]
        assert f"rows 1 and 5 of X are {kind}" in THEOREMS["theorem3"](s, "paper").reason


def test_three_antipodal_pairs_in_the_plane_are_singular():
    half = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    s = sl.theory_setting(np.vstack([half, -half]), np.zeros(6), sl.gradient_descent(3, 0.1), width=100)
    assert s.proven_eigenvalue <= 0
    assert "antipodal (3 such pairs)" in THEOREMS["theorem2"](s, "paper").reason
    assert THEOREMS["theorem5"](s, "paper").applies is False


def test_theorem_5_reports_the_complexity_and_no_guarantee():
    s = setting()
    H = sl.infinite_ntk(X, 0.5)
    values, vectors = np.linalg.eigh(H)
    expected = math.sqrt(np.sum((vectors.T @ Y) ** 2 / values) / 5)
    promise = THEOREMS["theorem5"](s, "paper")
    assert f"= {expected:.6g}" in promise.notes[0]
    assert "no guarantee" in promise.notes[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init_scale": 0.0}, "theory: init_scale must be above 0, got 0.0"),
        ({"init_scale": -1.0}, "theory: init_scale must be above 0, got -1.0"),
        ({"failure_prob": 1.0}, "theory: failure_prob must be in (0, 1), got 1.0"),
        ({"failure_prob": 0.0}, "theory: failure_prob must be above 0, got 0.0"),
    ],
)
def test_bad_settings_are_refused(change, message, refused):
    with refused(ValueError, message):
        setting(**change)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"scheme": None}, TypeError, "theory: scheme must be a TrainingScheme, got NoneType"),
        ({"network": 3}, TypeError, "theory: network must be a ShallowReLU, got int"),
        (
            {"network": sl.ShallowReLU(np.ones((4, 6)), np.ones((4, 2)))},
            ValueError,
            "theory: network must have one output, got output weights of shape (4, 2)",
        ),
        (
            {"network": sl.ShallowReLU.initialize(4, 3)},
            ValueError,
            "theory: X must have the network's 3 features, got 6",
        ),
        (
            {"network": sl.ShallowReLU.initialize(4, 6), "width": 10},
            ValueError,
            "theory: width must be the network's 4 or left out, got 10",
        ),
        ({"width": 10, "init_scale": 1e200}, ValueError, "theory: init_scale must be at most 1e+150, got 1e+200"),
        ({"width": 10, "step_size": 1e-200}, ValueError, "theory: step_size must be at least 1e-150, got 1e-200"),
    ],
)
def test_what_makes_no_setting_is_refused(change, error, message, refused):
    with refused(error, message):
        sl.theory_setting(**{"X": X, "y": Y, "scheme": sl.gradient_descent(3, 0.1), **change})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("width", [1, 10**15])
@pytest.mark.parametrize("step_size", [1e-150, 1e-3, 1e100, 1e150])
@pytest.mark.parametrize("init_scale", [1e-320, 1e-200, 1.0, 1e100, 1e150])
def test_every_statement_is_evaluated_at_every_size_of_numbers(init_scale, step_size, width):
    for masks in (sl.Bernoulli(4, 0.5), sl.Categorical(4), sl.AllNeurons()):
        scheme = sl.TrainingScheme(masks, rounds=30, local_steps=2, step_size=step_size)
        for paper, repaired in all_promises(
            sl.theory_setting(X, Y, scheme, width=width, init_scale=init_scale)
        ).values():
            assert paper.statement == repaired.statement


def test_the_width_of_a_network_may_be_given_beside_it():
    network = sl.ShallowReLU.initialize(4, 6)
    assert sl.theory_setting(X, Y, sl.gradient_descent(3, 0.1), network=network, width=4).width == 4


def test_no_step_size_is_covered_where_rows_repeat():
    """As in training: the limit of the theorems would be 0."""
    with pytest.raises(ValueError, match=r"^theory: step_size='theory' needs lambda_0 > 0, got .*parallel\?$"):
        sl.theory_setting(np.vstack([X, X[:1]]), np.append(Y, 0.0), sl.dropout(0.5, 3, "theory"), width=10)


def test_rows_must_have_norm_one():
    with pytest.raises(ValueError, match=r"rows of X must have norm 1, got 2 at row 3"):
        sl.theory_setting(X * np.array([1, 1, 1, 2, 1])[:, None], Y, sl.gradient_descent(3, 0.1), width=10)


def test_bad_gamma_and_uncovered_schemes():
    with pytest.raises(ValueError, match=r"gamma must be in \(0, 1\), got 1"):
        theorem4(setting(sl.Categorical(2)), gamma=1)
    scheme = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=3, step_size=0.1, shards=2)
    s = sl.theory_setting(X, Y, scheme, width=100)
    assert THEOREMS["theorem3"](s, "paper").reason == "the theorems do not cover shards=2"
