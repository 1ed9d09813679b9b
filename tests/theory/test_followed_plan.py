"""The fastest plan where patterns change, against trying every plan, and against training."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.followed_plan import fastest_followed

TARGET = 1.5


@pytest.fixture(scope="module")
def data():
    """Rows that are many for their dimension."""
    X = np.random.default_rng(3).normal(size=(12, 4))
    return X / np.linalg.norm(X, axis=1, keepdims=True), np.sign(np.random.default_rng(4).normal(size=12))


@pytest.fixture(scope="module")
def plans(data):
    return sl.plan(*data, TARGET, n_subnetworks=(1, 2), selection_probs=(0.5,), local_steps=(5,), widths=(300,))


def rounds_needed(plan):
    curve = plan.followed(rounds=60).full_error
    return next((k for k, error in enumerate(curve) if error <= TARGET), None)


def test_it_is_the_one_that_trying_all_finds(plans):
    found = fastest_followed(plans, TARGET, most_work=10**6)
    alone = [(p.seconds / p.scheme.rounds * rounds, rounds) for p in plans if (rounds := rounds_needed(p))]
    seconds, rounds = min(alone)
    assert found.scheme.rounds == rounds > plans[0].scheme.rounds
    assert found.seconds == pytest.approx(seconds)
    assert found.predicted_error <= TARGET


def test_training_reaches_the_target_after_its_rounds(data, plans):
    """To 15 per cent, where the plan made with patterns that stay ends far above it; mean of 8 seeds."""
    network = sl.ShallowReLU.initialize(300, 4, seed=0)
    for plan, right in ((fastest_followed(plans, TARGET), True), (plans[0], False)):
        ends = [sl.train(network, *data, plan.scheme, seed=s).history.full_error[-1] for s in range(8)]
        assert (np.mean(ends) <= 1.15 * TARGET) == right


def test_work_is_limited_and_told(plans):
    told = []
    assert fastest_followed(plans, TARGET, most_work=10**6, looked_at=told.append) is not None
    assert all(work % 12 == 0 for work in told)  # rows
    assert fastest_followed(plans, TARGET, most_work=sum(told)) is not None
    assert fastest_followed(plans, TARGET, most_work=sum(told) - 1) is None
    assert fastest_followed((), TARGET) is None


def test_it_asks_for_a_target_and_an_end(plans, refused):
    with refused(ValueError, "fastest_followed: target_error must be above 0, got 0"):
        fastest_followed(plans, 0)
    with refused(TypeError, "fastest_followed: most_work must be a whole number, got 1.5"):
        fastest_followed(plans, TARGET, most_work=1.5)


def test_a_plan_that_needs_no_round_takes_one(data):
    plans = sl.plan(*data, 100.0, n_subnetworks=(1,), selection_probs=(0.5,), local_steps=(1,), widths=(300,))
    assert fastest_followed(plans, 100.0).scheme.rounds == 1
