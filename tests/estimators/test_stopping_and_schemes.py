"""When to stop, and what "auto" means, by hand."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.core.losses import LOSSES
from subnetlab.estimators.schemes import build_scheme
from subnetlab.estimators.stopping import EarlyStopping

SETTINGS = {"n_subnetworks": 2, "selection_prob": 0.5, "rounds": "auto", "local_steps": 10, "step_size": "auto"}


def network_that_answers(value):
    """Of one neuron, whose output at x = 1 is the value."""
    return sl.ShallowReLU(np.array([[value]]), np.array([1.0]))


def test_patience_counts_rounds_since_the_last_improvement_by_tol():
    stopping = EarlyStopping(np.ones((1, 1)), np.zeros(1), None, LOSSES["squared"], patience=20, tol=0.1)
    answers = {10: 2.0, 20: 1.0, 30: 0.99, 39: 1.5}  # at round 30 better, but not by tol
    stops = [stopping.check(network_that_answers(value), 1.0, done) for done, value in answers.items()]
    assert stops == [False] * 4
    assert stopping.check(network_that_answers(1.5), 1.0, 40)
    assert stopping.errors == pytest.approx([4.0, 1.0, 0.9801, 2.25, 2.25])
    assert stopping.best.weights.item() == 0.99


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "rounds", "rows"),
    [
        (300, "auto", 10, None),  # 100 steps on full batches, in rounds of 10
        (600, "auto", 60, 200),  # a step per row
        (5000, "auto", 200, 200),  # at most 2,000 steps
        (5000, None, 10, None),
        (150, 200, 10, None),  # no more rows than there are
    ],
)
def test_auto_rounds_and_batches(n_samples, batch_size, rounds, rows):
    scheme = build_scheme("owner", "ist", n_samples, batch_size=batch_size, **SETTINGS)
    assert (scheme.rounds, scheme.batch_size, scheme.local_steps) == (rounds, rows, 10)
