"""The planner against brute force and against training."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.planner import STEP_SHARES, Costs, TrainingPlan, trade_off


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X, Y = rows(6, 8), np.linspace(-1, 1, 6)
SMALL = {"n_subnetworks": (1, 2), "selection_probs": (0.5, 1.0), "local_steps": (1, 4), "widths": (2000,)}


def test_costs_by_hand():
    costs = Costs(neuron_step=1e-3, neuron_bytes=10, bytes_per_second=1000, latency=0.5)
    assert costs.seconds_per_round(100, 4) == pytest.approx(0.5 + 0.4 + 2.0)
    assert costs.traffic_per_round(100, 3) == 6000


def test_first_plan_is_the_fastest_of_all_that_reach_the_target():
    plans = sl.plan(X, Y, 0.5, **SMALL)
    model = sl.average_lazy_model(X, Y, 2000)
    for plan in plans:
        curve = sl.predict(model, plan.scheme).full_error
        assert plan.predicted_error <= 0.5 < 1.03 * curve[-2]
        assert plan.predicted_error == pytest.approx(curve[-1], rel=0.03)  # it is predicted in longer steps
        neurons = plan.scheme.masks.selection_prob * 2000
        assert plan.seconds == pytest.approx(
            plan.scheme.rounds * Costs().seconds_per_round(neurons, plan.scheme.local_steps)
        )
    assert plans[0].seconds == min(p.seconds for p in plans)
    assert any(p.scheme.masks == sl.Categorical(2) for p in plans)


def test_costs_decide():
    slow_network = Costs(latency=10.0)
    assert sl.plan(X, Y, 0.5, slow_network, **SMALL)[0].scheme.local_steps == 4  # few rounds
    traffic = [p.traffic for p in trade_off(sl.plan(X, Y, 0.5, **SMALL))]
    assert traffic == sorted(traffic, reverse=True)


def test_of_plans_with_equal_traffic_the_faster_is_kept():
    scheme = sl.gradient_descent(1)
    fast, slow = (TrainingPlan(scheme, 10, 0.1, seconds=s, traffic=5.0, model=None) for s in (1.0, 2.0))
    assert trade_off([slow, fast]) == (fast,)


def test_the_first_plan_comes_true():
    """Average of 10 networks and masks; the target is reached up to 20 per cent."""
    best = sl.plan(X, Y, 0.5, n_subnetworks=(2,), selection_probs=(), local_steps=(3,), widths=(8000,))[0]
    errors = [
        sl.train(sl.ShallowReLU.initialize(8000, 8, seed=s), X, Y, best.scheme, seed=s).history.full_error[-1]
        for s in range(10)
    ]
    assert np.mean(errors) == pytest.approx(best.predicted_error, rel=0.2)


def test_what_cannot_be_reached_gives_no_plan():
    assert sl.plan(X, Y, 1e-12, n_subnetworks=(1,), selection_probs=(0.2,), local_steps=(1,), max_rounds=500) == ()


def test_targets_below_the_plateau_are_reached_when_the_noise_has_worn_off():
    """Mean of 8 networks: the plan's rounds bring the error to the target, a quarter of the plateau."""
    few = {"n_subnetworks": (4,), "selection_probs": (0.5,), "local_steps": (1,), "widths": (500,), "max_rounds": 2000}
    found = [plan for plan in sl.plan(X, Y, 0.02, **few) if plan.scheme.masks == sl.Bernoulli(4, 0.5)]
    plan = max(found, key=lambda plan: plan.scheme.step_size)
    model = sl.average_lazy_model(X, Y, 500)
    assert sl.predict(model, plan.scheme).plateau > 4 * 0.02
    assert 100 < plan.scheme.rounds < 2000
    networks = [sl.ShallowReLU.initialize(500, 8, seed=s) for s in range(8)]
    runs = [sl.train(net, X, Y, plan.scheme, seed=s, engine="linearized") for s, net in enumerate(networks)]
    late = [run.history.full_error[-plan.scheme.rounds // 10 :].mean() for run in runs]
    assert np.mean(late) == pytest.approx(plan.predicted_error, rel=0.3)


def test_what_four_subnetworks_reach_in_500_rounds_is_planned():
    """The example of docs/theory.md: the target is what 6 networks reach, between its plateau and its floor."""
    X, y = rows(8, 6), np.random.default_rng(1).uniform(-1, 1, size=8)
    model = sl.average_lazy_model(X, y, 500)
    masks, eta = sl.Bernoulli(4, 0.5), 1 / (0.5 * float(model.eigenvalues[-1]))
    scheme = sl.TrainingScheme(masks, rounds=525, step_size=eta)
    networks = [sl.ShallowReLU.initialize(500, 6, seed=s) for s in range(6)]
    runs = [sl.train(net, X, y, scheme, seed=s, engine="linearized") for s, net in enumerate(networks)]
    target = float(np.mean([run.history.full_error[475:] for run in runs]))
    assert target < sl.predict(model, scheme).plateau / 4
    few = {"n_subnetworks": (4,), "selection_probs": (0.5,), "local_steps": (1,), "widths": (500,), "max_rounds": 2000}
    plans = sl.plan(X, y, target, **few)
    for law in (masks, sl.Categorical(4)):  # each of the steps that are tried gets there
        found = sorted(p.scheme.step_size * law.selection_prob for p in plans if p.scheme.masks == law)
        np.testing.assert_allclose(found, [share * eta for share in sorted(STEP_SHARES)])
    plan = max((p for p in plans if p.scheme.masks == masks), key=lambda plan: plan.scheme.step_size)
    assert plan.scheme.step_size == pytest.approx(eta)
    assert plan.predicted_error <= target
    assert plan.floor < target
    assert 350 < plan.scheme.rounds < 700


def test_guarantees_come_with_a_plan():
    plans = sl.plan(X, Y, 0.5, **SMALL)
    kinds = {type(p.scheme.masks): p.guarantee(X, Y).statement for p in plans}
    assert kinds == {sl.Bernoulli: "Theorem 3", sl.Categorical: "Theorem 4"}
    assert not plans[0].guarantee(X, Y).met


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_error": 0.0}, "plan: target_error must be above 0, got 0.0"),
        ({"max_rounds": 0}, "plan: max_rounds must be at least 1, got 0"),
        ({"init_scale": -1.0}, "average_lazy_model: init_scale must be above 0, got -1.0"),
        ({"selection_probs": (1.5,)}, "Bernoulli: selection_prob must be in (0, 1], got 1.5"),
        (
            {"selection_probs": (0.5, 2.0), "n_subnetworks": (2,)},
            "Bernoulli: selection_prob must be in (0, 1], got 2.0",
        ),
        ({"local_steps": (1, 0)}, "plan: local_steps must be at least 1, got 0"),
        ({"widths": (100, -5)}, "plan: widths must be at least 1, got -5"),
        ({"widths": ()}, "plan: widths must be a list of at least 1 values, got ()"),
        ({"local_steps": 5}, "plan: local_steps must be a list of at least 1 values, got 5"),
        ({"n_subnetworks": "12"}, "plan: n_subnetworks must be a list of at least 1 values, got '12'"),
    ],
)
def test_bad_input_is_refused(change, message, refused):
    with refused(ValueError, message):
        sl.plan(X, Y, **{"target_error": 0.5, **change})


def test_rounds_that_no_memory_holds_are_refused_before_work(monkeypatch):
    monkeypatch.setattr("subnetlab.theory.planner.average_lazy_model", None)
    with pytest.raises(ValueError, match=r"^plan: max_rounds must give error curves that fit into the memory"):
        sl.plan(X, Y, 0.5, max_rounds=10**12)


def test_bad_costs_are_refused(refused):
    with refused(TypeError, "plan: costs must be a Costs or NoneType, got float"):
        sl.plan(X, Y, 0.5, 1.5)
    with refused(ValueError, "Costs: latency must be at least 0, got -1.0"):
        Costs(latency=-1.0)
    with refused(ValueError, "Costs: neuron_step must be above 0, got 0"):
        Costs(neuron_step=0)


def test_a_plan_is_followed_where_patterns_change():
    """Rows that are many for their dimension: training ends where the plan is followed to, far above the plan."""
    X, y = rows(12, 4, seed=3), np.sign(rows(12, 1, seed=4)[:, 0])
    few = {"n_subnetworks": (2,), "selection_probs": (0.5,), "local_steps": (5,), "widths": (300,)}
    (plan, *_) = sl.plan(X, y, 0.5, **few)
    network = sl.ShallowReLU.initialize(300, 4, seed=0)
    measured = np.mean([sl.train(network, X, y, plan.scheme, seed=s).history.full_error[-1] for s in range(8)])
    followed = plan.followed().full_error
    assert measured > 2 * plan.predicted_error
    assert followed[-1] == pytest.approx(measured, rel=0.15)
    known = sl.predict(sl.lazy_model(network, X, y), plan.scheme).full_error
    np.testing.assert_allclose(followed, known, rtol=1e-6)  # y has gone to the eigenvectors and back
