"""The event engine with a record of every crossing."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.base import Problem
from subnetlab.engines.event.engine import EventEngine
from subnetlab.engines.event.traced import TracedEngine

N, D, M = 70, 5, 130  # more rows than a word has bits, neurons that fill no block


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X, Y = rows(N, D), np.sin(np.arange(N))


@pytest.mark.parametrize("kappa", [1.0, 0.01])
@pytest.mark.parametrize("law", [sl.Bernoulli(3, 0.5), sl.Categorical(3)])
def test_the_bits_are_those_of_the_event_engine(law, kappa):
    net = sl.ShallowReLU.initialize(M, D, kappa, seed=1)
    problem = Problem(X, Y, net.output_weights, law.selection_prob)
    engines = EventEngine(problem), TracedEngine(problem)
    states = [engine.start(net.weights) for engine in engines]
    for k in range(5):
        masks = law.sample(0, k, M)
        (states[0], one), (states[1], other) = (
            engine.round(state, masks, 0.3, 7) for engine, state in zip(engines, states, strict=True)
        )
        np.testing.assert_array_equal(one.subnetwork_errors, other.subnetwork_errors)
    for name, array in engines[0].snapshot(states[0]).items():
        np.testing.assert_array_equal(array, engines[1].snapshot(states[1])[name])


def test_every_crossing_of_a_local_phase_by_plain_steps():
    """Patterns before and after each step, and the jump of the outputs, recomputed from weights."""
    net, mask, eta, tau = sl.ShallowReLU.initialize(M, D, 0.05, seed=2), np.arange(M) % 3 > 0, 0.3, 8
    a = net.output_weights
    engine = TracedEngine(Problem(X, Y, a, 1.0))
    engine.round(engine.start(net.weights), mask[np.newaxis], eta, tau)
    (phase,) = engine.trace.phases
    np.testing.assert_allclose(phase.kernel, sl.masked_ntk(net, X, mask), atol=1e-14)
    W, seen = net.weights.copy(), 0
    for step in phase.steps:
        f = np.maximum(X @ W.T, 0) @ (a * mask) / np.sqrt(M)
        was = W @ X.T >= 0
        W = W - eta / np.sqrt(M) * (a * mask)[:, None] * (was * (f - Y)) @ X
        z = W @ X.T
        changed = np.flatnonzero(((z >= 0) != was).any(axis=1) & mask)
        order = np.argsort(step.neurons)
        np.testing.assert_array_equal(step.neurons[order], changed)
        np.testing.assert_array_equal(step.before[order], was[changed])
        np.testing.assert_array_equal(step.after[order], (z >= 0)[changed])
        jump = (a * mask) @ (((z >= 0) * 1 - was) * z) / np.sqrt(M)
        np.testing.assert_allclose(step.jump, jump, atol=1e-13)
        seen += step.changes
    assert seen > 300
